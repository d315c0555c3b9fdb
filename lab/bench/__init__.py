"""Benchmarks: each prints ratios against a named baseline that ran beside it."""
