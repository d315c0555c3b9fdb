"""The life of a process on the bus: start, signals, health pages, the embedded server."""
