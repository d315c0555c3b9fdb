"""Operator commands from browsers, over HTTP and WebSocket."""
