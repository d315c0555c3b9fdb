"""Everything that connects to a venue: connectors, publishers, gateway, simulated venue."""
