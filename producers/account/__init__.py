"""The account publisher: private stream and order sweep from a venue to the bus."""
