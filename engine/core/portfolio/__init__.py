"""The portfolio core: exposure and the global circuit breaker over all symbols."""
