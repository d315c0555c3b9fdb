"""Streams: topology, provisioning, ordered reads, latest values, journals, key-value registries."""
