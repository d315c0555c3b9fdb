"""The actor of all symbols of a venue: exposure limits and the global circuit breaker."""
