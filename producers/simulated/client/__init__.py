"""Client of the simulated venue: implements the venue port."""
