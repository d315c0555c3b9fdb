"""Client connections: the protocol, subscriptions, and the list of connections."""
