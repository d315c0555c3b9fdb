"""All scenarios."""

from opensqt.scenarios.market import MARKET
from opensqt.scenarios.venue import VENUE

PLAYS = (*MARKET, *VENUE)
