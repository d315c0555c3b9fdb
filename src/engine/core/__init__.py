"""The deciding: one grid as a deterministic, synchronous object. No clock, chance, I/O or logging lives here.

Read in this order: `grid` (the step), `evidence`, `slots`, `refusals`, `accounting` (what happened), `reconciliation`,
`control`, `quoting`, `lattice` (what to do next), `view`, `checks`.
"""
