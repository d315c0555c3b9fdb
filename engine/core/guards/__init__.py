"""Guards: conditions that stop opening orders, and circuit breakers."""
