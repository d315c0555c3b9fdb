"""The deciding: one grid as a deterministic, synchronous object. No clock, chance, I/O or logging lives here.

Read in this order: `grid` (the step), `hearing`, `evidence`, `slots`, `refusals`, `accounting` (what happened),
`reconciliation`, `control`, `quoting`, `lattice` (what to do next), `guards` with `feed`, `monitor`, `breaker`, `positions`
and `cleaner` (what stands against it), `view`, `checks`.
"""
