"""Portfolio limits as a grid applies them."""

import msgspec

from engine.core.grid import Grid
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.guard_state import BreakerState
from schemas.grid.state import Slot
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS, Side
from schemas.venue.orders import OrderStatus, RejectReason
from tests.builders import SIM
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
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


def limited(by: PortfolioLimits) -> Grid:
    """Return a grid whose opening orders were canceled because of limits."""
    grid = started(NEUTRAL)
    opening = canceled(step(grid, by))
    step(grid, *(report(each, OrderStatus.CANCELED) for each in sorted(opening)))
    return grid


def test_exposure_limit_cancels_opening_orders_only() -> None:
    grid = started(LONG)
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1).client_order_id
    change = step(grid, REACHED)
    assert closing not in canceled(change)
    assert len(canceled(change)) == LONG.buy_window - 1
    assert risks(change) == [("exposure_limit", True)]


def test_at_the_exposure_limit_orders_that_reduce_the_position_stay() -> None:
    grid = started(NEUTRAL)
    fill(grid, -1)  # a long of 0.101, closed at 1000
    accept_all(grid)
    step(grid, report(order(grid, -1).client_order_id, OrderStatus.EXPIRED))
    kept = order(grid, 1).client_order_id  # a sell of 0.099 at 1010
    change = step(grid, REACHED)
    assert kept not in canceled(change)
    assert {order(grid, level).client_order_id for level in (-2, -3, 2, 3)} == canceled(change)


def test_at_the_exposure_limit_a_sell_beside_the_closing_order_would_open_a_short() -> None:
    grid = started(NEUTRAL)
    fill(grid, -1)
    accept_all(grid)
    change = step(grid, REACHED)
    assert {order(grid, level).client_order_id for level in (-2, -3, 1, 2, 3)} == canceled(change)


def test_at_the_exposure_limit_an_order_that_reduces_the_position_is_placed() -> None:
    grid = limited(REACHED)
    state = state_of(grid)
    state.slots[-5] = Slot(level=-5, cycle=9, held=D("0.2"), cost=D(190), target=-4)
    state.accounts.position = D("0.2")
    state.settings = replace(state.settings, sell_window=2)
    orders = placed(step(grid, ticker(1001, 9)))
    assert [(each.level, each.opens) for each in orders] == [(-5, False)]
    state.slots[-5].target = 90  # far beyond the window: no closing order
    orders = placed(step(grid, report(order(grid, -5).client_order_id, OrderStatus.EXPIRED, seconds=10)))
    assert [(each.level, each.side, each.opens) for each in orders] == [
        (1, Side.SELL, True),
        (2, Side.SELL, True),
    ]


def test_repeated_limits_make_no_step() -> None:
    grid = limited(REACHED)
    assert grid.why_not_quoting() is NotQuoting.EXPOSURE_LIMIT
    assert grid.process([REACHED]) is None


def test_opening_resumes_below_the_exposure_limit() -> None:
    grid = limited(REACHED)
    grid.process([ticker(1000, 2)])
    change = step(grid, limits())
    assert placed(change)
    assert risks(change) == [("exposure_limit", False)]


def test_open_global_breaker_blocks_opening_orders() -> None:
    grid = limited(OPEN)
    assert grid.why_not_quoting() is NotQuoting.GLOBAL_BREAKER
    assert state_of(grid).global_breaker is BreakerState.OPEN


def test_half_open_allows_one_level_a_side_and_closed_all() -> None:
    grid = limited(OPEN)
    assert grid.process([ticker(1000, 2)]) is None
    change = step(grid, HALF_OPEN)
    assert (levels(placed(change), Side.BUY), levels(placed(change), Side.SELL)) == ([-1], [1])
    accept_all(grid)
    change = step(grid, limits())
    assert len(placed(change)) == NEUTRAL.buy_window + NEUTRAL.sell_window - 2
    assert risks(change) == [("global_breaker", False)]


def test_filled_level_uses_up_the_half_open_trial() -> None:
    grid = limited(OPEN)
    grid.process([ticker(1000, 2)])
    step(grid, HALF_OPEN)
    accept_all(grid)
    change = fill(grid, -1)
    assert all(not each.opens for each in placed(change))


def test_exposure_rejection_pauses_the_slot_with_that_reason() -> None:
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


def test_exposure_rejections_back_off_exponentially() -> None:
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
