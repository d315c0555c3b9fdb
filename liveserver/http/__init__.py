"""The HTTP API, the page's files, and sessions."""
