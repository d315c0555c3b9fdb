"""Read-only examination of a running stack: discovery, journal digests, audits."""
