"""Operator commands: pause, stop, flatten, set, reconcile, trip, reset."""
