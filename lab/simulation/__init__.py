"""Simulation of the whole system on one virtual clock: an event loop, a network and a model of the bus."""
