"""The figures of each risk: decimals as strings, with the unit at the end of the name."""

import msgspec

from engine.core.grid import Grid
from engine.core.guards.drawdown import evaluate
from engine.core.orders.position_check import on_position
from engine.core.step import Change, Draft
from schemas.engine.events import RiskChanged
from schemas.grid.guard_state import Peak
from schemas.units import SECOND_NS, Figures, Symbol
from schemas.venue.orders import OrderStatus, RejectReason
from tests.builders import BTC, LIMITS
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    D,
    accept_all,
    added,
    at,
    candle,
    draft_of,
    fill,
    order,
    position,
    report,
    silence,
    started,
    state_of,
    step,
    ticker,
)

replace = msgspec.structs.replace
ETH = Symbol("ETH/USDT")


def raised(found: Change | Draft) -> Figures:
    """Return the figures of the first risk of a step."""
    return next(each.figures for each in found.notices if isinstance(each, RiskChanged))


def test_drawdown_has_the_limit_and_the_peak() -> None:
    grid = started(replace(LONG, max_drawdown=D("0.5"), drawdown_window=SECOND_NS))
    state_of(grid).breaker.peaks = [Peak(time=at(0), profit=D("0.7"))]
    draft = draft_of(grid, 1000, time=at(0.1))
    evaluate(draft)
    assert raised(draft) == {"drawdown": "0.7", "limit": "0.5", "peak_profit": "0.7"}


def test_a_stale_feed_has_its_age_and_the_limit() -> None:
    grid = started(replace(LONG, stale_after=5 * SECOND_NS))
    assert raised(step(grid, silence(7.5))) == {"price_age_s": "7.5", "limit_s": "5"}
    assert raised(step(grid, ticker(1000, 9))) == {"lost_for_s": "9"}


def test_a_feed_lost_for_too_long_opens_the_breaker_with_its_age() -> None:
    grid = started(replace(LONG, stale_after=5 * SECOND_NS, max_stale=30 * SECOND_NS))
    step(grid, silence(5))
    assert raised(step(grid, silence(30))) == {"price_age_s": "30", "limit_s": "30"}


def test_market_risk_counts_the_symbols() -> None:
    grid = started(replace(NEUTRAL, monitor_symbols=(BTC, ETH), average_window=1, risk_trigger=1))
    step(grid, candle(BTC, 0, 100))
    assert raised(step(grid, candle(BTC, 1, 99, 31))) == {"abnormal_symbols": "1", "limit": "1"}


def test_the_margin_lock_has_its_duration() -> None:
    grid = started(replace(LONG, margin_lock_duration=10 * SECOND_NS))
    order_id = order(grid, -1).client_order_id
    change = step(grid, report(order_id, OrderStatus.REJECTED, reason=RejectReason.INSUFFICIENT_MARGIN))
    assert raised(change) == {"locked_for_s": "10"}


def test_the_exposure_limit_has_the_exposure() -> None:
    assert raised(step(started(), LIMITS)) == {"exposure": "1000.16", "limit": "1000"}


def test_a_position_that_differs_has_both_positions() -> None:
    grid = started(NEUTRAL)
    fill(grid, -1)
    accept_all(grid)
    step(grid, position("0.5"))
    draft = draft_of(grid, 1000)
    on_position(draft, position("0.5"))
    assert raised(draft) == {
        "gap_base": "0.399",
        "venue_base": "0.5",
        "grid_base": "0.101",
        "foreign_base": "0",
    }


def test_losing_round_trips_are_counted() -> None:
    grid = started(replace(LONG, max_losing_round_trips=1))
    fill(grid, -1)
    accept_all(grid)
    assert raised(fill(grid, -1, price=900)) == {"losing_round_trips": "1", "limit": "1"}


def test_a_stop_has_the_profit_and_the_limit() -> None:
    grid = started(replace(LONG, stop_below_price=D(950)))
    assert raised(step(grid, ticker(940, 1))) == {"price": "940", "limit": "950", "total_profit": "0"}


def test_a_failed_preflight_has_each_check_that_failed() -> None:
    change = step(Grid(None, 0), added(replace(LONG, preflight=True)), ticker(1000))
    assert raised(change)["balance"] == "the balance of USDT is unknown"
    assert "round_trip" not in raised(change)
