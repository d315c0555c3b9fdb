"""The engine: runs the deterministic core, one durable actor for each symbol."""
