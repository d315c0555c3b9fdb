"""Orders and money: price lattice, slots, execution reports, accounting, reconciliation."""
