"""The portfolio of all symbols of a venue: exposure limit and global circuit breaker."""
