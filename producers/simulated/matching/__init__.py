"""The simulated venue's matching engine and accounts. Pure: no I/O, no clock."""
