"""Scenarios that trigger each guard on a running stack: `opensqt scenario NAME`.

`market` and `venue` define the scenarios, `harness` operates the stack, `event_recorder` records its events, and
`runner` runs one.
"""

from lab.scenarios.market import MARKET
from lab.scenarios.venue import VENUE

SCENARIOS = (*MARKET, *VENUE)
"""All scenarios, in the order in which `all` runs them."""
