"""The gateway: committed decisions to venue requests, each order sent at most once."""
