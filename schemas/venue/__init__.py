"""Venue-facing events: instruments, market data, account state, orders and trades."""
