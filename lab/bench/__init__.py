"""Benchmarks (`opensqt bench`): figures, and their ratios to baselines of the same run."""
