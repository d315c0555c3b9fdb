"""WebSocket connections: handshake, session, frames, back-pressure."""
