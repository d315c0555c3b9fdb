"""Events, ids, units, subjects and the codec: the contract between all processes. No I/O.

Read in this order: `units`, `subjects`; `venue.instruments`, `venue.market`, `venue.orders`, `venue.account`;
`grid.settings`, `grid.state`, `grid.view`; `engine.events`, `engine.control`, `engine.journal`, `engine.portfolio`,
`engine.portfolio_journal`; `reasons.table`; `codec`, `catalog`.

A struct with `tag=True` is a message: its class name is the `type` field of the JSON body. Messages are stored for up to
a year, so class names, field names and enum values never change; fields are only added, with defaults.
"""
