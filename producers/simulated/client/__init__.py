"""The venue port's implementation for the simulated venue."""
