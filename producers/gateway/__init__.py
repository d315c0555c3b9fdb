"""The gateway: turns committed decisions into venue requests, each order sent at most once."""
