"""The actor of a venue's portfolio: exposure limits and the global circuit breaker."""
