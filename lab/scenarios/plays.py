"""All scenarios."""

from lab.scenarios.market import MARKET
from lab.scenarios.venue import VENUE

PLAYS = (*MARKET, *VENUE)
