"""A secured bus: an account for each part with the permissions it needs, keys, certificates, server configuration."""
