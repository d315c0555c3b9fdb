"""Scenarios that trigger each guard on a running stack: `opensqt scenario NAME`.

`market` and `venue` define the scenarios, `harness` operates the stack, `event_recorder` records its events, and `runner`
plays one: `simulated` in a simulated world, `processes` on real processes. `batch` runs several simulations at a time.
"""

from lab.scenarios.market import MARKET
from lab.scenarios.venue import VENUE

SCENARIOS = (*MARKET, *VENUE)
"""All scenarios, in the order in which `all` runs them."""
