"""Service processes: start and shutdown, health and status pages, the embedded nats-server."""
