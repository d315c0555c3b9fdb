"""Which prices are believed: a jump needs the mark price or a second tick. Crossed quotes are dropped before.

A price farther than `max_price_jump` from that of the last step is compared with the mark price of the same tick, where the
venue has one, and else with the next tick: until then the last price stays. One wrong message moves no order and no stop.
"""

from typing import NamedTuple

from engine.core.quoting.quotes import Market, market_of
from engine.core.step import Draft
from schemas.grid.settings import GridSettings, StopPrice
from schemas.grid.state import GridState
from schemas.units import ZERO, Price, Ratio, TimeNs
from schemas.venue.market import Ticker


class Belief(NamedTuple):
    """Whether the newest ticker counts."""

    is_believed: bool
    doubted_price: Price = ZERO
    """The price that waits for a confirmation; 0 without one."""
    doubted_time: TimeNs = 0


def judge(state: GridState, ticker: Ticker | None) -> Belief:
    """Return whether a ticker is believed after the last step; without a ticker nothing changes."""
    if ticker is None:
        return Belief(True, state.doubted_price, state.doubted_time)
    jump, last, price = state.settings.max_price_jump, state.price, market_of(ticker).price
    if not jump or last is None or _is_near(price, last, jump):
        return Belief(True)
    if ticker.mark > 0 and _is_near(price, ticker.mark, jump):
        return Belief(True)
    is_new = ticker.time != state.doubted_time
    if is_new and state.doubted_price and _is_near(price, state.doubted_price, jump):
        return Belief(True)
    return Belief(False, price, ticker.time)


def note(draft: Draft, belief: Belief) -> None:
    """Record a price that waits for its confirmation, or that it waits no longer."""
    state = draft.state
    if (belief.doubted_price, belief.doubted_time) != (state.doubted_price, state.doubted_time):
        draft.touch()
        state.doubted_price, state.doubted_time = belief.doubted_price, belief.doubted_time


def stop_price(settings: GridSettings, market: Market) -> Price:
    """Return the price at which stops and drawdown are judged, as `stop_on` says."""
    if settings.stop_on is StopPrice.LAST:
        return market.price
    if settings.stop_on is StopPrice.MARK and market.mark > 0:
        return market.mark
    return (market.bid + market.ask) / 2 if market.bid > 0 and market.ask > 0 else market.price


def _is_near(price: Price, other: Price, jump: Ratio) -> bool:
    return abs(price - other) <= jump * other
