"""Read-only inspection: service discovery, journal digests, audits, plans and readable events."""
