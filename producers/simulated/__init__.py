"""The simulated venue: a separate process with an HTTP and WebSocket API on loopback and a SQLite store.

Start with `settings` and `app`, then `server.venue` (matching, market and store in one transaction), `server.api` and
`matching` (pure). `client` implements the venue port.
"""
