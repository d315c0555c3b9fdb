"""The recent own trades of one market: told once each, whether ORDERS or the grid's booking comes first."""

import msgspec
from msgspec.structs import replace

from liveserver.view.dedup import Key, Recent
from schemas.engine.events import Fill
from schemas.venue.orders import Trade

KEPT = 500


class OwnTrade(msgspec.Struct, frozen=True):
    """One own trade, and what the grid made of it where it is known."""

    trade: Trade | Fill
    booked: Fill | None = None
    is_reported: bool = False
    """ORDERS told of it, not only the grid."""


class OwnTradeFold:
    """Folds trades and fills by trade id. The trade as the venue told it wins over the grid's copy."""

    def __init__(self) -> None:
        self._recent: Recent[OwnTrade] = Recent(KEPT)

    def values(self) -> list[OwnTrade]:
        """Return the trades kept, oldest first."""
        return self._recent.values()

    def trade(self, trade: Trade) -> tuple[bool, OwnTrade | None]:
        """Return whether ORDERS tells of it for the first time, and the trade if viewers have to hear of it."""
        key = _key(trade)
        known = self._recent.get(key)
        if known is not None and known.is_reported:
            return False, None
        own = OwnTrade(trade, known.booked if known else None, is_reported=True)
        is_kept = self._recent.put(key, own)
        return is_kept, own if is_kept and known is None else None

    def fill(self, fill: Fill) -> tuple[bool, OwnTrade | None]:
        """Return whether the trade was told before, and the trade if viewers have to hear of its booking."""
        key = _key(fill)
        known = self._recent.get(key)
        if known is not None and known.booked is not None:
            return True, None
        own = replace(known, booked=fill) if known else OwnTrade(fill, fill)
        return known is not None, own if self._recent.put(key, own) else None


def _key(event: Trade | Fill) -> Key:
    return event.time, event.trade_id
