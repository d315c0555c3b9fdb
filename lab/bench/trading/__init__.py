"""Benchmarks of the trading path: engine, gateway and journal."""
