"""What all symbols together let a grid do: heard as a level, told once, and undone by the next one."""

import msgspec

from engine.core.grid import Grid
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.state import BreakerState
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS, Side
from schemas.venue.orders import OrderStatus, RejectReason
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    SIM,
    D,
    accept_all,
    at,
    canceled,
    fill,
    levels,
    order,
    placed,
    report,
    risks,
    slot,
    started,
    state_of,
    step,
    ticker,
)

replace = msgspec.structs.replace


def limits(*, allowed: bool = True, breaker: BreakerState = BreakerState.CLOSED) -> PortfolioLimits:
    return PortfolioLimits(
        venue=SIM,
        is_opening_allowed=allowed,
        breaker=breaker,
        reason="exposure 1000 of 1000",
        max_exposure=D(1000),
        exposure=D(1000),
        symbols=(),
        step=1,
        time=0,
    )


REACHED = limits(allowed=False)
OPEN = limits(breaker=BreakerState.OPEN)
HALF_OPEN = limits(breaker=BreakerState.HALF_OPEN)


def stopped(by: PortfolioLimits) -> Grid:
    """Return a grid whose opening orders are gone because of the limits."""
    grid = started(NEUTRAL)
    gone = canceled(step(grid, by))
    step(grid, *(report(each, OrderStatus.CANCELED) for each in sorted(gone)))
    return grid


def test_at_the_limit_opening_orders_are_canceled_and_closing_ones_stay() -> None:
    grid = started(LONG)
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1).client_order_id
    change = step(grid, REACHED)
    assert closing not in canceled(change)
    assert len(canceled(change)) == LONG.buy_window - 1
    assert risks(change) == [("exposure_limit", True)]


def test_the_reason_is_told_and_a_repeated_level_is_no_cause() -> None:
    grid = stopped(REACHED)
    assert grid.why_not_quoting() is NotQuoting.EXPOSURE_LIMIT
    assert grid.process([REACHED]) is None


def test_below_the_limit_opening_goes_on() -> None:
    grid = stopped(REACHED)
    grid.process([ticker(1000, 2)])
    change = step(grid, limits())
    assert placed(change)
    assert risks(change) == [("exposure_limit", False)]


def test_an_open_global_breaker_stops_what_opens_and_names_itself() -> None:
    grid = stopped(OPEN)
    assert grid.why_not_quoting() is NotQuoting.GLOBAL_BREAKER
    assert state_of(grid).global_breaker is BreakerState.OPEN


def test_half_open_lets_one_level_a_side_and_closed_all_of_them() -> None:
    grid = stopped(OPEN)
    assert grid.process([ticker(1000, 2)]) is None
    change = step(grid, HALF_OPEN)
    assert (levels(placed(change), Side.BUY), levels(placed(change), Side.SELL)) == ([-1], [1])
    accept_all(grid)
    change = step(grid, limits())
    assert len(placed(change)) == NEUTRAL.buy_window + NEUTRAL.sell_window - 2
    assert risks(change) == [("global_breaker", False)]


def test_a_filled_level_is_the_one_that_half_open_tried() -> None:
    grid = stopped(OPEN)
    grid.process([ticker(1000, 2)])
    step(grid, HALF_OPEN)
    accept_all(grid)
    change = fill(grid, -1)
    assert all(not each.opens for each in placed(change))


def test_an_order_that_the_gateway_had_no_room_for_waits_and_says_why() -> None:
    grid = started(LONG)
    accept_all(grid)
    for level in range(-LONG.buy_window, 0):
        refused = report(
            order(grid, level).client_order_id, OrderStatus.NOT_PLACED, reason=RejectReason.EXPOSURE_LIMIT
        )
        assert not placed(step(grid, refused))
    assert grid.why_not_quoting() is NotQuoting.EXPOSURE_LIMIT
    assert grid.process([ticker(1000, 9)]) is None
    assert len(placed(step(grid, ticker(1000, 11)))) == LONG.buy_window


def test_who_has_no_room_again_and_again_asks_less_and_less() -> None:
    grid = started(replace(LONG, buy_window=1))
    seconds, waits = 0, []
    for _ in range(6):
        name = order(grid, -1).client_order_id
        step(grid, report(name, OrderStatus.NOT_PLACED, reason=RejectReason.EXPOSURE_LIMIT))
        waits.append((slot(grid, -1).quiet_until - at(seconds)) // SECOND_NS)
        seconds += waits[-1]
        step(grid, ticker(1000, seconds))
    assert waits == [10, 20, 40, 80, 160, 160]
    step(grid, report(order(grid, -1).client_order_id, OrderStatus.CANCELED, seconds=seconds))
    assert not slot(grid, -1).is_limited
    assert slot(grid, -1).limited_times == 0
