"""The deciding: one grid as a deterministic, synchronous object. No clock, chance, I/O or logging lives here.

Read in this order: `grid` (the step), `hearing`, `evidence`, `slots`, `refusals`, `accounting` (what happened),
`reconciliation`, `quoting`, `lattice` (what to do next), `guards` with `feed`, `monitor`, `breaker` and what opens it
(`round_trips`, `drawdown`, `latency`), `positions` and `cleaner` (what stands against it), `control` with `halting`,
`tuning` and `demand` (what people ask for), `stops`, `exit`, `view`, `checks`.
"""
