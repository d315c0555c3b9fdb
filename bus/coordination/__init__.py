"""Coordination of processes: leases, group membership, lock-step execution."""
