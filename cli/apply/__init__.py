"""Bring a bus up to a configuration: streams, limits over all symbols, and symbols."""
