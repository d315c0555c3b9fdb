"""The simulated venue: a process of its own with HTTP and WebSocket on loopback and durable books outside the bus.

Read `settings`, `books` (matching and money, pure), `venue` (books, market and store as one), `api`, `app`; `client` is
the port to it.
"""
