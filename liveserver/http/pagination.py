"""Pages of what has a time: the first or the last rows of a span, and where the next page is."""

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from liveserver.protocol.server_messages import CandleData, TradeData

LARGEST_PAGE = 1500

T = TypeVar("T", CandleData, TradeData)


class Cut(NamedTuple, Generic[T]):
    """Rows of a page, oldest first, and where the next ones are."""

    items: Sequence[T]
    next: int | None
    previous: int | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Where there is more."""

    next: int | None
    """The `start` of the page after this one; None on the last."""
    previous: int | None
    """The `end` of the page before this one, to be asked for with `newest`; None on the first."""


class CandlePage(Page, frozen=True, kw_only=True):
    """Some candles, oldest first."""

    items: Sequence[CandleData]


class TradePage(Page, frozen=True, kw_only=True):
    """Some own trades, oldest first."""

    items: Sequence[TradeData]


def page(rows: Sequence[T], start: int, end: int, limit: int, *, newest: bool = False) -> Cut[T]:
    """Return the first rows of a span, or its newest; at least `limit` where there are. A second is never divided."""
    found = [row for row in rows if start <= row.time < end]
    first, last = (_cut_back(found, limit), len(found)) if newest else (0, _cut(found, limit))
    return Cut(
        found[first:last],
        found[last].time if last < len(found) else None,
        found[first].time if first else None,
    )


def _cut(found: Sequence[T], limit: int) -> int:
    cut = min(limit, len(found))
    while 0 < cut < len(found) and found[cut].time == found[cut - 1].time:
        cut += 1
    return cut


def _cut_back(found: Sequence[T], limit: int) -> int:
    cut = max(0, len(found) - limit)
    while cut > 0 and found[cut - 1].time == found[cut].time:
        cut -= 1
    return cut
