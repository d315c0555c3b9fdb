"""Benchmarks of the live server: fan-out, ingest, latency, memory per viewer."""
