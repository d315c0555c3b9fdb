"""Matching engine, account and ledger of the simulated venue. Pure: no I/O, no clock."""
