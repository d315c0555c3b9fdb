"""The way out without bus, engine and gateway: straight to the venue."""
