"""Chaos tests (`opensqt verify`): inject faults into a running stack, then check invariants."""
