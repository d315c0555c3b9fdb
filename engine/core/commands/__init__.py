"""Operator commands: pause, resume, stop, flatten, remove, set, reconcile, trip, reset; and grid stops."""
