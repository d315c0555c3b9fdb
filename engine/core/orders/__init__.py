"""Orders and money: price lattice, slots, execution reports, rejections, accounting, reconciliation."""
