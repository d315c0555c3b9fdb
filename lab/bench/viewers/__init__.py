"""Benchmarks of the live server: fan-out, ingest, latency, idle viewers."""
