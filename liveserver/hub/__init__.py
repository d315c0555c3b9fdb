"""Delivery to viewers: subscriptions, snapshots, resume, the bus feed."""
