"""The simulated venue's server: HTTP and WebSocket API, durable store, faults."""
