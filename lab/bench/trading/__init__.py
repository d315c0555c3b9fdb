"""Benchmarks of the trading path: commit, engine, latency, recovery, take-over."""
