"""Which orders a grid should have: levels, sizes, inventory skew, volatility, order cleanup."""
