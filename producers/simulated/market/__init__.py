"""Price sources of the simulated venue: a seeded model or recorded candles."""
