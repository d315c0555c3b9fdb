"""Replay of the past to one viewer."""
