"""Slow orders and late ticks trip the circuit breaker."""

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.guards.latency import MAX_LATENCIES, p99
from schemas.engine.control import CommandName
from schemas.grid.guard_state import BreakerState
from schemas.units import MILLISECOND_NS, SECOND_NS
from schemas.venue.market import Ticker
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    LONG,
    at,
    command,
    order,
    report,
    risks,
    settings_of,
    started,
    state_of,
    step,
    ticker,
)

SLOW_ORDERS = settings_of(LONG, max_order_latency=2 * SECOND_NS, buy_window=22, price_interval=1)
SLOW_LINK = settings_of(LONG, max_link_latency=500 * MILLISECOND_NS)


def requested() -> Grid:
    """Return a grid with 22 requested orders."""
    grid = started(settings_of(SLOW_ORDERS, max_order_latency=0))
    state_of(grid).settings = SLOW_ORDERS
    return grid


def accept(grid: Grid, seconds: float, levels: range) -> list[tuple[str, bool]]:
    found = [
        report(order(grid, -level).client_order_id, OrderStatus.NEW, seconds=seconds) for level in levels
    ]
    return risks(step(grid, *found))


def late(seconds: float, latency_ms: int) -> Ticker:
    return msgspec.structs.replace(
        ticker(1000, seconds), received_time=at(seconds) + latency_ms * MILLISECOND_NS
    )


def test_slow_acceptances_trip() -> None:
    grid = requested()
    assert accept(grid, 2.5, range(1, 20)) == []
    assert accept(grid, 2.5, range(20, 21)) == [("circuit_breaker", True)]
    breaker = state_of(grid).breaker
    assert breaker.reason == "order latency: p99 of the last 20 orders 2500 ms, the limit is 2000 ms"
    assert breaker.latencies == []


def test_single_slow_order_does_not_trip() -> None:
    grid = requested()
    assert accept(grid, 9, range(1, 2)) == []
    assert accept(grid, 1, range(2, 23)) == []
    assert state_of(grid).breaker.state is BreakerState.CLOSED


def test_acceptance_is_recorded_once() -> None:
    grid = requested()
    accept(grid, 1, range(1, 3))
    grid.process([report(order(grid, -1).client_order_id, OrderStatus.NEW, seconds=8)])
    assert state_of(grid).breaker.latencies == [SECOND_NS, SECOND_NS]


def test_fill_is_not_an_acceptance() -> None:
    grid = requested()
    grid.process([report(order(grid, -1).client_order_id, OrderStatus.PARTIALLY_FILLED, "0.01", seconds=8)])
    assert state_of(grid).breaker.latencies == []


def test_latencies_are_not_recorded_without_a_limit() -> None:
    grid = started()
    assert state_of(grid).breaker.latencies == []


def test_recorded_latencies_are_bounded() -> None:
    grid = requested()
    state_of(grid).breaker.latencies = [1] * MAX_LATENCIES
    accept(grid, 1, range(1, 2))
    assert state_of(grid).breaker.latencies == [1] * (MAX_LATENCIES - 1) + [SECOND_NS]


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [([1, 9], 1), (list(range(1, 101)), 99), (list(range(1, 201)), 198), ([5] * 30, 5)],
)
def test_p99_ignores_a_single_outlier(latencies: list[int], expected: int) -> None:
    assert p99(latencies) == expected


def test_persistently_late_ticks_trip() -> None:
    grid = started(SLOW_LINK)
    assert risks(step(grid, late(1, 600))) == []
    assert grid.process([late(3.9, 600)]) is None
    assert risks(step(grid, late(4, 700))) == [("circuit_breaker", True)]
    reason = state_of(grid).breaker.reason
    assert reason == "link latency: ticks arrive 700 ms late for 3.0 s, the limit is 500 ms"


def test_timely_tick_resets_the_lateness() -> None:
    grid = started(SLOW_LINK)
    step(grid, late(1, 600))
    step(grid, late(2, 499))
    step(grid, late(3, 500))
    assert grid.process([late(5, 600)]) is None
    assert state_of(grid).breaker.state is BreakerState.CLOSED


def test_timely_ticks_make_no_step() -> None:
    grid = started(SLOW_LINK)
    assert grid.process([late(1, 499)]) is None
    assert grid.process([late(2, 499)]) is None


def test_ticks_without_receive_time_are_ignored() -> None:
    grid = started(SLOW_LINK)
    assert grid.process([ticker(1000, 1)]) is None
    step(grid, late(2, 600))
    assert grid.process([ticker(1000, 60)]) is None


def test_other_inputs_do_not_affect_link_latency() -> None:
    grid = started(SLOW_LINK)
    step(grid, late(1, 600))
    step(grid, command(CommandName.PAUSE))
    assert state_of(grid).breaker.slow_since == at(1)


def test_a_watched_link_costs_timely_ticks_no_evaluation() -> None:
    grid = started(SLOW_LINK)
    assert grid.process([late(1, 100)]) is None
    band = grid._band
    assert band is not None
    assert grid.process([late(2, 499)]) is None
    assert grid._band is band
    step(grid, late(3, 500))
    assert grid.process([late(4, 600)]) is None
    assert grid._band is None  # while ticks are late each one is evaluated
