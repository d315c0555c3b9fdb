"""Pagination of rows by time: a page of a range, and the bounds of its neighbours."""

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from liveserver.protocol.server_messages import CandleData, QuotingData, TradeData

MAX_PAGE_ROWS = 1500

T = TypeVar("T", CandleData, TradeData, QuotingData)


class Rows(NamedTuple, Generic[T]):
    """The rows of a page, oldest first, and the bounds of its neighbours."""

    items: Sequence[T]
    next: int | None
    previous: int | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of the neighbouring pages, in seconds since the epoch."""

    next: int | None
    """`start` of the next page; None on the last."""
    previous: int | None
    """`end` of the previous page, to be requested with `newest`; None on the first."""


class CandlePage(Page, frozen=True, kw_only=True):
    """A page of candles, oldest first."""

    items: Sequence[CandleData]


class TradePage(Page, frozen=True, kw_only=True):
    """A page of own trades, oldest first."""

    items: Sequence[TradeData]
    complete_from: int = 0
    """Time from which the bus has every fill, in seconds since the epoch; 0 if none since the first trade was lost. This
    server keeps the newest ones alone."""


class QuotingPage(Page, frozen=True, kw_only=True):
    """A page of changes of the reason for not quoting, oldest first."""

    items: Sequence[QuotingData]


def page(rows: Sequence[T], start: int, end: int, limit: int, *, newest: bool = False) -> Rows[T]:
    """Return the first `limit` rows of [start, end), or the last with `newest`.

    Rows of one second are never split over two pages, so a page may have more than `limit` rows.
    """
    found = [row for row in rows if start <= row.time < end]
    first, last = (
        (_first_of_newest(found, limit), len(found)) if newest else (0, _last_of_oldest(found, limit))
    )
    return Rows(
        found[first:last],
        found[last].time if last < len(found) else None,
        found[first].time if first else None,
    )


def _last_of_oldest(found: Sequence[T], limit: int) -> int:
    last = min(limit, len(found))
    while 0 < last < len(found) and found[last].time == found[last - 1].time:
        last += 1
    return last


def _first_of_newest(found: Sequence[T], limit: int) -> int:
    first = max(0, len(found) - limit)
    while first > 0 and found[first - 1].time == found[first].time:
        first -= 1
    return first
