"""The actor of one symbol: reads inputs, runs the core, commits steps, publishes events."""
