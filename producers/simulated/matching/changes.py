"""Sequence counters and carried state of the simulated venue, and the changes of one transaction."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from producers.ports import AccountUpdate
from producers.simulated.matching.conditionals import Conditional
from producers.simulated.matching.ledger import Holding
from producers.simulated.matching.orders import Order
from schemas.units import ZERO, Money, Quantity, Symbol, TimeNs
from schemas.venue.orders import Funding, Trade


class TakenDepth(msgspec.Struct, kw_only=True):
    """Quantity that the account has taken from one side of a book, from the best price on."""

    quantity: Quantity
    time: TimeNs


class CandleFills(msgspec.Struct, kw_only=True):
    """Quantity that the account's resting orders have filled in one recorded candle."""

    open_time: TimeNs
    quantity: Quantity


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
    conditional: int = 0
    taken: dict[str, TakenDepth] = {}
    """By `SYMBOL buy` and `SYMBOL sell`, the side of the orders that took it."""
    candle_fills: dict[Symbol, CandleFills] = {}
    traded: dict[str, dict[int, Money]] = {}
    """Own traded notional by quote currency and day since the Unix epoch, of the days that count for fee tiers."""
    insurance_paid: Money = ZERO
    """Losses beyond the account's balance, in quote currency, that the insurance fund has covered."""


class StoredState(NamedTuple):
    """State that an engine continues from after a restart."""

    holdings: Iterable[Holding] = ()
    orders: Iterable[Order] = ()
    conditionals: Iterable[Conditional] = ()
    counters: Counters | None = None


@dataclass
class Changes:
    """Changes since the last commit: first stored, then published."""

    orders: dict[int, Order] = field(default_factory=dict)
    conditionals: dict[int, Conditional] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    fundings: list[Funding] = field(default_factory=list)
    events: list[AccountUpdate] = field(default_factory=list)
    filled: set[Symbol] = field(default_factory=set)
    """Symbols whose position changed."""
    assets: set[str] = field(default_factory=set)
    """Assets whose total or free amount changed."""

    def __bool__(self) -> bool:
        return bool(self.orders or self.conditionals or self.trades or self.fundings)
