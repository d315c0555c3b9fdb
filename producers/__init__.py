"""Everything that touches a venue: connectors, publishers, the gateway, the simulated venue."""
