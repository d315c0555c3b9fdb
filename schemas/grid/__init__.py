"""A grid's settings, durable state, view for browsers, and reasons for not quoting."""
