"""Sharing work between processes: leases, membership, lock-step."""
