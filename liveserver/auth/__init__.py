"""Authentication and authorisation: keys, JWTs, roles, rate limits."""
