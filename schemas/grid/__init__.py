"""The grid of a symbol: settings and their notation, durable state, view for browsers."""
