"""Pauses and alerts after rejected orders."""

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.step import Change
from schemas.engine.control import CommandName
from schemas.engine.events import AlertRaised, RiskChanged
from schemas.grid.settings import GridSettings
from schemas.subjects import registry_key
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
    notices,
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


def reject(grid: Grid, reason: RejectReason | None, seconds: float = 0, level: int = -1) -> Change:
    return step(grid, rejection(grid, reason, seconds, level))


def rejection(grid: Grid, reason: RejectReason | None, seconds: float = 0, level: int = -1) -> OrderReport:
    order_id = order(grid, level).client_order_id
    return report(order_id, OrderStatus.REJECTED, reason=reason, seconds=seconds)


def orders_after(grid: Grid, seconds: float) -> list[PlaceOrder]:
    change = grid.process([ticker(1000, seconds)])
    return placed(change) if change else []


def crossed(settings: GridSettings) -> Grid:
    """Return a grid whose one order was rejected `post_only_retries` times, the last time at second 4."""
    grid = started(settings)
    for second in (0, 2):
        reject(grid, CROSS, second)
        assert orders_after(grid, second + 2)[0].post_only
    reject(grid, CROSS, 4)
    return grid


def test_crossing_order_is_retried_after_a_second() -> None:
    grid = started(ONE)
    assert not placed(reject(grid, CROSS))
    assert not orders_after(grid, 0.9)
    (retried,) = orders_after(grid, 1)
    assert retried.post_only
    assert slot(grid, -1).rejections == 1


def test_repeated_crossing_starts_the_cool_down() -> None:
    grid = crossed(ONE)
    assert not orders_after(grid, 63.9)
    assert orders_after(grid, 64)
    assert slot(grid, -1).rejections == 0


def test_repeated_crossing_places_a_taker_order_if_allowed() -> None:
    grid = crossed(replace(ONE, allow_taker=True))
    (plain,) = orders_after(grid, 6)
    assert not plain.post_only
    assert not plain.reduce_only


def test_fill_resets_the_rejections() -> None:
    grid = started(ONE)
    reject(grid, CROSS)
    orders_after(grid, 2)
    step(grid, trade(order(grid, -1), "0.05"))
    assert slot(grid, -1).rejections == 0


@pytest.mark.parametrize(
    "reason", [RejectReason.PRECISION, RejectReason.MINIMUM_NOTIONAL, RejectReason.OTHER, None]
)
def test_final_rejection_starts_the_cool_down_and_raises_an_alert(reason: RejectReason | None) -> None:
    grid = started(ONE)
    (alert,) = notices(reject(grid, reason))
    assert isinstance(alert, AlertRaised)
    assert alert.code == "order_refused"
    key = registry_key(grid.state.venue, grid.state.symbol) if grid.state else ""
    assert alert.incident == f"order_refused.{key}.{grid.step}.0"
    assert not orders_after(grid, 59)
    assert orders_after(grid, 60)


@pytest.mark.parametrize("reason", [RejectReason.RATE_LIMITED, RejectReason.TOO_LATE, RejectReason.NOT_FOUND])
def test_transient_rejection_is_retried_soon(reason: RejectReason) -> None:
    grid = started(ONE)
    assert not reject(grid, reason).decisions
    assert orders_after(grid, 1)
    assert slot(grid, -1).rejections == 0


def test_each_transient_rejection_in_a_row_doubles_the_pause_up_to_16_seconds() -> None:
    grid = started(ONE)
    now = 0.0
    for pause_s in (1, 2, 4, 8, 16, 16):
        reject(grid, RejectReason.TOO_LATE, now)
        assert not orders_after(grid, now + pause_s - 0.1)
        now += pause_s
        assert orders_after(grid, now)


@pytest.mark.parametrize("status", [OrderStatus.NOT_PLACED, OrderStatus.EXPIRED, OrderStatus.CANCELED])
def test_unrequested_end_pauses_the_slot(status: OrderStatus) -> None:
    grid = started(ONE)
    first = order(grid, -1).client_order_id
    assert not step(grid, report(first, status)).decisions
    (retried,) = orders_after(grid, 1)
    assert retried.client_order_id != first


def test_requested_end_does_not_pause_the_slot() -> None:
    grid = started()
    far = order(grid, -3).client_order_id
    step(grid, ticker(1010))
    step(grid, ticker(1000))
    change = step(grid, report(far, OrderStatus.CANCELED))
    assert levels(placed(change), Side.BUY) == [-3]


def test_insufficient_margin_cancels_opening_orders() -> None:
    grid = started(NEUTRAL)
    fill(grid, -1)
    accept_all(grid)
    open_orders = {order(grid, level).client_order_id for level in (-2, -3, 1, 2)}
    change = reject(grid, RejectReason.INSUFFICIENT_MARGIN, level=3)
    assert canceled(change) == open_orders
    (risk,) = notices(change)
    assert isinstance(risk, RiskChanged)
    assert (risk.reason, risk.active) == ("margin_locked", True)


def test_margin_lock_expires() -> None:
    grid = started(ONE)
    reject(grid, RejectReason.INSUFFICIENT_MARGIN, 5)
    assert state_of(grid).margin_locked_until == at(25)
    assert grid.process([ticker(1000, 24)]) is None
    change = step(grid, silence(25))
    assert levels(placed(change), Side.BUY) == [-1]
    (risk,) = notices(change)
    assert isinstance(risk, RiskChanged)
    assert not risk.active


def test_margin_lock_is_reported_once_and_extended() -> None:
    grid = started()
    reject(grid, RejectReason.INSUFFICIENT_MARGIN, 5)
    change = reject(grid, RejectReason.INSUFFICIENT_MARGIN, 9, level=-2)
    assert not notices(change)
    assert state_of(grid).margin_locked_until == at(29)


def test_closing_order_without_margin_pauses_as_long() -> None:
    grid = started(ONE)
    fill(grid, -1)
    reject(grid, RejectReason.INSUFFICIENT_MARGIN)
    assert not orders_after(grid, 19)
    assert [each.side for each in orders_after(grid, 20)] == [Side.SELL]


def test_closing_orders_are_placed_during_a_margin_lock() -> None:
    grid = started()
    reject(grid, RejectReason.INSUFFICIENT_MARGIN, level=-3)
    (closing,) = placed(fill(grid, -1))
    assert closing.side is Side.SELL


def test_margin_lock_expires_while_paused() -> None:
    grid = started(ONE)
    reject(grid, RejectReason.INSUFFICIENT_MARGIN)
    step(grid, command(CommandName.PAUSE))
    (risk,) = notices(step(grid, silence(20)))
    assert isinstance(risk, RiskChanged)
    assert grid.process([silence(21)]) is None


def test_repeated_reduce_only_rejections_pause_the_slot_and_raise_an_alert() -> None:
    grid = started(LONG)
    fill(grid, -1)
    changes = []
    for number in range(LONG.post_only_retries):
        name = order(grid, -1).client_order_id
        refused = report(name, OrderStatus.REJECTED, reason=RejectReason.REDUCE_ONLY, seconds=2 * number)
        changes.append(step(grid, refused))
        grid.process([ticker(1000, 2 * number + 2)])
    alerts = [[each.code for each in change.notices if isinstance(each, AlertRaised)] for change in changes]
    assert alerts == [[], [], ["order_refused"]]
    assert slot(grid, -1).order is None
    assert slot(grid, -1).quiet_until == at(4) + LONG.rejection_cool_down
