"""The trading decisions: one grid per symbol, deterministic and synchronous.

Nothing in this package reads a clock, draws a random number, performs I/O or logs; it imports `schemas` alone. The same
state and the same inputs always make the same step.

Reading order:

1. `grid`: `Grid.process`, the whole step from inputs to decisions. `step`: `Change` (the result) and `Draft` (a step under
   construction, which records which inputs caused it).
2. `dispatch`: routes each input to its handler.
3. `orders`: price lattice, slots and the life of their orders, execution reports and trades, accounting, rejections,
   reconciliation with the venue.
4. `guards`: what may stop opening orders (circuit breaker, drawdown, latency, stale feed, market risk, portfolio limits);
   `blocking` combines them into one reason.
5. `startup`: preflight checks, trigger price and position adoption, before the first order.
6. `quoting`: which orders the grid should have, and the difference to those it has.
7. `commands`: what operators ask for, halts and flattening, stops of the whole grid.
8. `portfolio`: limits over all symbols of all venues, an object of its own with the same kind of step.

`instrument` applies changed trading rules and the status of the market; `view` derives what viewers see from the state;
`settings_checks` validates settings; `arithmetic` holds the decimal context.
"""
