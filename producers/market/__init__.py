"""The market publisher: market data from a venue to the bus."""
