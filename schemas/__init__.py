"""The language of the bus: events, ids, units, subjects and the codec. No I/O lives here.

Read in this order: `units`, `subjects`, `market`, `orders`, `account`, `grid`, `portfolio`, `journal`,
`portfolio_journal`, `engine`, `control`, `codec`.
"""
