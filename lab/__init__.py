"""Examines the product and ships with it: benchmarks, crash tests (`verify`), scenarios."""
