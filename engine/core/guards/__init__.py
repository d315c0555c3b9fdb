"""Guards: conditions that forbid opening orders, and the circuit breaker that some of them trip."""
