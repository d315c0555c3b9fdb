"""The engine: runs the deciding core, one durable actor a symbol."""
