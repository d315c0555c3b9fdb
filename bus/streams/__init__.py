"""Streams as data: topology, ordered reads, latest values, journals, key-value registries."""
