"""The recent own trades of one market, merged from the venue's trades and the grid's bookings by trade id."""

from bisect import insort
from collections.abc import Iterable
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec
from msgspec.structs import replace

from schemas.engine.events import Fill
from schemas.units import ZERO, Price, SignedQuantity, TimeNs
from schemas.venue.orders import Trade

T = TypeVar("T")
Key = tuple[TimeNs, str]
"""Time and id."""

PRICE_STEP = Decimal("1e-8")
"""Precision of an average price."""
MAX_TRADES = 500
"""Trades kept of one market."""


class OwnTrade(msgspec.Struct, frozen=True):
    """One own trade, and the grid's booking of it once known."""

    trade: Trade | Fill
    """The venue's trade; the grid's copy until that arrives."""
    booked: Fill | None = None
    is_reported: bool = False
    """Whether the trade was read from ORDERS."""


class OwnTradeFold:
    """Folds trades and fills in any order. The venue's trade replaces the grid's copy."""

    def __init__(self) -> None:
        self._window: DedupWindow[OwnTrade] = DedupWindow(MAX_TRADES)

    def values(self) -> list[OwnTrade]:
        """Return all trades, oldest first."""
        return self._window.values()

    def entry_price(self, quantity: SignedQuantity, base: str) -> Price | None:
        """Return the average price at which a position in `base` was opened; None if the trades kept do not tell.

        They do if they reach back to a flat position, counted from `quantity` backwards; fees in `base` count. By average
        cost: a reduction leaves the price as it is.
        """
        opening: list[tuple[SignedQuantity, Price]] = []
        held = quantity
        for own in reversed(self._window.values()):
            change = own.trade.side.sign * own.trade.quantity
            if own.trade.fee_asset == base:
                change -= own.trade.fee
            opening.append((change, own.trade.price))
            held -= change
            if held * quantity <= 0:
                return _average(held, reversed(opening))
        return None

    @property
    def newest(self) -> OwnTrade | None:
        """The newest trade, None without one."""
        return self._window.newest

    def apply_trade(self, trade: Trade) -> tuple[bool, OwnTrade | None]:
        """Apply a trade of ORDERS; return whether it counts as new, and the trade to publish, if any.

        A repeated trade, or one older than the full window, is not new. One published from its booking before is new,
        but not published again.
        """
        key = _key(trade)
        known = self._window.get(key)
        if known is not None and known.is_reported:
            return False, None
        own = OwnTrade(trade, known.booked if known else None, is_reported=True)
        is_kept = self._window.put(key, own)
        return is_kept, own if is_kept and known is None else None

    def apply_fill(self, fill: Fill) -> tuple[bool, OwnTrade | None]:
        """Apply a booking; return whether the trade was published before, and the trade to publish, if any.

        A trade already booked, or older than the full window, is not published.
        """
        key = _key(fill)
        known = self._window.get(key)
        if known is not None and known.booked is not None:
            return True, None
        own = replace(known, booked=fill) if known else OwnTrade(fill, fill)
        return known is not None, own if self._window.put(key, own) else None


def _average(held: SignedQuantity, changes: Iterable[tuple[SignedQuantity, Price]]) -> Price:
    """Return the average price of what a position that was `held` is after some changes, each with its price."""
    average = ZERO
    for change, price in changes:
        after = held + change
        if after * held <= 0:
            average = price  # opened, or turned around
        elif after * change > 0:
            average = (average * held + price * change) / after
        held = after
    return average.quantize(PRICE_STEP).normalize()


def _key(event: Trade | Fill) -> Key:
    return event.time, event.trade_id


class DedupWindow(Generic[T]):
    """A bounded window of the newest `size` items, ordered by time and id, in which each key occurs once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: list[Key] = []
        self._items: dict[Key, T] = {}

    def get(self, key: Key) -> T | None:
        return self._items.get(key)

    def put(self, key: Key, item: T) -> bool:
        """Store an item, replacing one with the same key; return False if it is older than a full window."""
        if key not in self._items:
            if len(self._keys) >= self._size:
                if key < self._keys[0]:
                    return False
                del self._items[self._keys.pop(0)]
            insort(self._keys, key)
        self._items[key] = item
        return True

    def add(self, key: Key, item: T) -> bool:
        """Store a new item; return False if the key is known or older than a full window."""
        return key not in self._items and self.put(key, item)

    @property
    def newest(self) -> T | None:
        """The newest item, None without one."""
        return self._items[self._keys[-1]] if self._keys else None

    def items(self) -> list[tuple[Key, T]]:
        """Return all keys and items, oldest first."""
        return [(key, self._items[key]) for key in self._keys]

    def values(self) -> list[T]:
        """Return all items, oldest first."""
        return [self._items[key] for key in self._keys]
