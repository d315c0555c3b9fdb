"""What a refused order leads to."""

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.step import Change
from schemas.engine.control import CommandName
from schemas.engine.events import AlertRaised, RiskChanged
from schemas.grid.settings import GridSettings
from schemas.units import Side
from schemas.venue.orders import OrderReport, OrderStatus, PlaceOrder, RejectReason
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    accept_all,
    at,
    canceled,
    command,
    fill,
    levels,
    order,
    placed,
    report,
    silence,
    slot,
    started,
    state_of,
    step,
    ticker,
    trade,
)

replace = msgspec.structs.replace
ONE = replace(LONG, buy_window=1)
CROSS = RejectReason.POST_ONLY_WOULD_CROSS


def refuse(grid: Grid, reason: RejectReason | None, seconds: float = 0, level: int = -1) -> Change:
    return step(grid, refusal(grid, reason, seconds, level))


def refusal(grid: Grid, reason: RejectReason | None, seconds: float = 0, level: int = -1) -> OrderReport:
    order_id = order(grid, level).client_order_id
    return report(order_id, OrderStatus.REJECTED, reason=reason, seconds=seconds)


def orders_after(grid: Grid, seconds: float) -> list[PlaceOrder]:
    change = grid.process([ticker(1000, seconds)])
    return placed(change) if change else []


def crossed(settings: GridSettings) -> Grid:
    """Return a grid whose one order was refused `post_only_retries` times, the last time at second 4."""
    grid = started(settings)
    for second in (0, 2):
        refuse(grid, CROSS, second)
        assert orders_after(grid, second + 2)[0].post_only
    refuse(grid, CROSS, 4)
    return grid


def test_a_crossing_order_is_tried_again_a_second_later() -> None:
    grid = started(ONE)
    assert not placed(refuse(grid, CROSS))
    assert not orders_after(grid, 0.9)
    (again,) = orders_after(grid, 1)
    assert again.post_only
    assert slot(grid, -1).rejections == 1


def test_crossing_too_often_cools_the_slot_down() -> None:
    grid = crossed(ONE)
    assert not orders_after(grid, 63.9)
    assert orders_after(grid, 64)
    assert slot(grid, -1).rejections == 0


def test_crossing_too_often_may_take() -> None:
    grid = crossed(replace(ONE, allow_taker=True))
    (plain,) = orders_after(grid, 6)
    assert not plain.post_only
    assert not plain.reduce_only


def test_a_fill_ends_the_row_of_rejections() -> None:
    grid = started(ONE)
    refuse(grid, CROSS)
    orders_after(grid, 2)
    step(grid, trade(order(grid, -1), "0.05"))
    assert slot(grid, -1).rejections == 0


@pytest.mark.parametrize(
    "reason", [RejectReason.PRECISION, RejectReason.MINIMUM_NOTIONAL, RejectReason.OTHER, None]
)
def test_other_refusals_cool_the_slot_down_and_are_told(reason: RejectReason | None) -> None:
    grid = started(ONE)
    (alert,) = refuse(grid, reason).notices
    assert isinstance(alert, AlertRaised)
    assert alert.code == "order_refused"
    assert not orders_after(grid, 59)
    assert orders_after(grid, 60)


@pytest.mark.parametrize("reason", [RejectReason.RATE_LIMITED, RejectReason.TOO_LATE, RejectReason.NOT_FOUND])
def test_passing_refusals_are_tried_again_soon(reason: RejectReason) -> None:
    grid = started(ONE)
    assert not refuse(grid, reason).decisions
    assert orders_after(grid, 1)
    assert slot(grid, -1).rejections == 0


@pytest.mark.parametrize("status", [OrderStatus.NOT_PLACED, OrderStatus.EXPIRED, OrderStatus.CANCELED])
def test_an_end_that_we_did_not_ask_for_is_followed_by_a_pause(status: OrderStatus) -> None:
    grid = started(ONE)
    first = order(grid, -1).client_order_id
    assert not step(grid, report(first, status)).decisions
    (again,) = orders_after(grid, 1)
    assert again.client_order_id != first


def test_an_end_that_we_asked_for_is_followed_by_no_pause() -> None:
    grid = started()
    far = order(grid, -3).client_order_id
    step(grid, ticker(1010))
    step(grid, ticker(1000))
    change = step(grid, report(far, OrderStatus.CANCELED))
    assert levels(placed(change), Side.BUY) == [-3]


def test_too_little_margin_cancels_what_opens() -> None:
    grid = started(NEUTRAL)
    fill(grid, -1)
    accept_all(grid)
    open_orders = {order(grid, level).client_order_id for level in (-2, -3, 1, 2)}
    change = refuse(grid, RejectReason.INSUFFICIENT_MARGIN, level=3)
    assert canceled(change) == open_orders
    (risk,) = change.notices
    assert isinstance(risk, RiskChanged)
    assert (risk.reason, risk.active) == ("margin_locked", True)


def test_a_margin_lock_ends_by_itself() -> None:
    grid = started(ONE)
    refuse(grid, RejectReason.INSUFFICIENT_MARGIN, 5)
    assert state_of(grid).margin_locked_until == at(25)
    assert grid.process([ticker(1000, 24)]) is None
    change = step(grid, silence(25))
    assert levels(placed(change), Side.BUY) == [-1]
    (risk,) = change.notices
    assert isinstance(risk, RiskChanged)
    assert not risk.active


def test_a_margin_lock_is_told_once_and_grows() -> None:
    grid = started()
    refuse(grid, RejectReason.INSUFFICIENT_MARGIN, 5)
    change = refuse(grid, RejectReason.INSUFFICIENT_MARGIN, 9, level=-2)
    assert not change.notices
    assert state_of(grid).margin_locked_until == at(29)


def test_a_closing_order_without_margin_waits_as_long() -> None:
    grid = started(ONE)
    fill(grid, -1)
    refuse(grid, RejectReason.INSUFFICIENT_MARGIN)
    assert not orders_after(grid, 19)
    assert [each.side for each in orders_after(grid, 20)] == [Side.SELL]


def test_closing_goes_on_while_margin_is_locked() -> None:
    grid = started()
    refuse(grid, RejectReason.INSUFFICIENT_MARGIN, level=-3)
    (closing,) = placed(fill(grid, -1))
    assert closing.side is Side.SELL


def test_a_margin_lock_ends_while_paused_too() -> None:
    grid = started(ONE)
    refuse(grid, RejectReason.INSUFFICIENT_MARGIN)
    step(grid, command(CommandName.PAUSE))
    (risk,) = step(grid, silence(20)).notices
    assert isinstance(risk, RiskChanged)
    assert grid.process([silence(21)]) is None


def test_reduce_only_refusals_in_a_row_make_the_slot_rest_and_are_told() -> None:
    grid = started(LONG)
    fill(grid, -1)
    changes = []
    for again in range(LONG.post_only_retries):
        name = order(grid, -1).client_order_id
        refused = report(name, OrderStatus.REJECTED, reason=RejectReason.REDUCE_ONLY, seconds=2 * again)
        changes.append(step(grid, refused))
        grid.process([ticker(1000, 2 * again + 2)])
    alerts = [[each.code for each in change.notices if isinstance(each, AlertRaised)] for change in changes]
    assert alerts == [[], [], ["order_refused"]]
    assert slot(grid, -1).order is None
    assert slot(grid, -1).quiet_until == at(4) + LONG.rejection_cool_down
