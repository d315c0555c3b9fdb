"""Sequence counters of the simulated venue, and the changes of one transaction."""

from dataclasses import dataclass, field

import msgspec

from producers.ports import AccountUpdate
from producers.simulated.matching.orders import Order
from schemas.units import Symbol, TimeNs
from schemas.venue.orders import Funding, Trade


class Counters(msgspec.Struct, kw_only=True):
    """The last number of each sequence, and state that is carried to the next tick. Stored with the cursor."""

    order: int = 0
    trade: int = 0
    event: int = 0
    funding: int = 0
    funded_time: TimeNs = 0
    """Time of the last funding interval; 0 before the first tick."""
    pending_balances: set[str] = msgspec.field(default_factory=set, name="untold")
    """Assets whose locked amount changed since their balance was last published."""


@dataclass
class Changes:
    """Changes since the last commit: first stored, then published."""

    orders: dict[int, Order] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    fundings: list[Funding] = field(default_factory=list)
    events: list[AccountUpdate] = field(default_factory=list)
    filled: set[Symbol] = field(default_factory=set)
    """Symbols whose position changed."""
    assets: set[str] = field(default_factory=set)
    """Assets whose total or free amount changed."""

    def __bool__(self) -> bool:
        return bool(self.orders or self.trades or self.fundings)
