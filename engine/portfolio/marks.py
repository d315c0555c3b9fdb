"""Mark the grids' positions at the market's own prices: a grid that makes no step has an old price.

A price counts every `MARK_INTERVAL_NS` of the venue's time, or when it moved by `MARK_CHANGE`. One that is far from the last
one needs the venue's mark price or a second ticker, as in a grid.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from engine.core.portfolio.portfolio import seen
from schemas.engine.portfolio_journal import SymbolSeen
from schemas.grid.view import GridView
from schemas.units import SECOND_NS, ZERO, DurationNs, Price, Ratio, Symbol, TimeNs, VenueId
from schemas.venue.market import Ticker, ticker_fault

ALL_TICKERS = "market.*.*.ticker"
MARK_INTERVAL_NS: DurationNs = SECOND_NS
MARK_CHANGE: Ratio = Decimal("0.001")
MAX_JUMP: Ratio = Decimal("0.1")

Market = tuple[VenueId, Symbol]


class Mark(NamedTuple):
    """A price at which a position is marked."""

    price: Price
    time: TimeNs


class Marks:
    """The newest grid and price of each symbol."""

    def __init__(self) -> None:
        self._views: dict[Market, GridView] = {}
        self._marks: dict[Market, Mark] = {}
        self._doubted: dict[Market, Price] = {}

    def on_grid(self, view: GridView) -> SymbolSeen:
        """Return what the portfolio sees of a grid after a step, at the newest price known."""
        key = view.venue, view.symbol
        self._views[key] = view
        mark = self._marks.get(key)
        return seen(view) if mark is None or mark.time <= view.time else _marked(view, mark)

    def on_ticker(self, ticker: Ticker) -> SymbolSeen | None:
        """Return what the portfolio sees of a grid at a new price; None if it does not count, or nothing is held."""
        key = ticker.venue, ticker.symbol
        view = self._views.get(key)
        if view is None or not view.position or not view.price or ticker_fault(ticker) is not None:
            return None
        last = self._marks.get(key)
        if last is None or last.time <= view.time:
            last = Mark(view.price, view.time)
        price = _price_of(ticker)
        if not self._is_believed(key, ticker, price, last.price):
            return None
        is_due = ticker.time - last.time >= MARK_INTERVAL_NS
        if not is_due and abs(price - last.price) < MARK_CHANGE * last.price:
            return None
        self._marks[key] = mark = Mark(price, ticker.time)
        return _marked(view, mark)

    def _is_believed(self, key: Market, ticker: Ticker, price: Price, last: Price) -> bool:
        doubted = self._doubted.pop(key, ZERO)
        if ticker.mark > 0 or abs(price - last) <= MAX_JUMP * last:
            return True
        if doubted and abs(price - doubted) <= MAX_JUMP * doubted:
            return True
        self._doubted[key] = price
        return False


def _price_of(ticker: Ticker) -> Price:
    if ticker.mark > 0:
        return ticker.mark
    return (ticker.bid + ticker.ask) / 2 if ticker.bid > 0 and ticker.ask > 0 else ticker.last


def _marked(view: GridView, mark: Mark) -> SymbolSeen:
    change = view.position * (mark.price - (view.price or mark.price))
    return msgspec.structs.replace(seen(view), price=mark.price, total_profit=view.total_profit + change)
