"""Server of the simulated venue: HTTP and WebSocket API, durable store, fault injection."""
