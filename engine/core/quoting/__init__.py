"""Which orders a grid wants: levels, sizes, skew, volatility, order clean-up."""
