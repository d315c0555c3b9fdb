"""What the simulated venue numbers, and what its books changed since they were last made durable."""

from dataclasses import dataclass, field

import msgspec

from producers.ports import AccountUpdate
from producers.simulated.matching.orders import Order
from schemas.units import Symbol, TimeNs
from schemas.venue.orders import Funding, Trade


class Counters(msgspec.Struct, kw_only=True):
    """What the venue numbers, each growing by one, and what it has still to tell."""

    order: int = 0
    trade: int = 0
    event: int = 0
    funding: int = 0
    funded_time: TimeNs = 0
    """When funding was last due; 0 before the first tick."""
    untold: set[str] = msgspec.field(default_factory=set)
    """Assets of which something became locked or free."""


@dataclass
class Changes:
    """What is to be made durable, and then told, since the last time."""

    orders: dict[int, Order] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    fundings: list[Funding] = field(default_factory=list)
    events: list[AccountUpdate] = field(default_factory=list)
    filled: set[Symbol] = field(default_factory=set)
    """Symbols whose position changed."""
    assets: set[str] = field(default_factory=set)
    """Assets whose total, or what of it is free, changed."""

    def __bool__(self) -> bool:
        return bool(self.orders or self.trades or self.fundings)
