"""Pauses and alerts after rejected orders."""

from itertools import pairwise

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.guards.margin_lock import is_locked
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
    SPOT,
    accept_all,
    added,
    at,
    balance,
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


def test_missing_balance_for_an_opening_order_keeps_what_stands() -> None:
    grid = started(NEUTRAL)
    change = reject(grid, RejectReason.INSUFFICIENT_MARGIN, level=3)
    assert not change.decisions
    (risk,) = notices(change)
    assert isinstance(risk, RiskChanged)
    assert (risk.reason, risk.active) == ("margin_locked", True)
    assert grid.why_not_quoting() is None


def test_the_lock_is_of_one_side() -> None:
    grid = started(NEUTRAL)
    reject(grid, RejectReason.INSUFFICIENT_MARGIN, level=3)
    assert [side for side in Side if is_locked(state_of(grid), side)] == [Side.SELL]
    assert levels(orders_after_center_moves(grid), Side.BUY) == [0]
    assert not levels(orders_after_center_moves(grid), Side.SELL)


def orders_after_center_moves(grid: Grid) -> list[PlaceOrder]:
    return placed(step(grid, ticker(1010, 2))) if state_of(grid).center == 0 else []


def test_a_lock_ends_by_time_where_no_balance_is_received() -> None:
    grid = started(ONE)
    reject(grid, RejectReason.INSUFFICIENT_MARGIN, 5)
    assert grid.process([ticker(1000, 24)]) is None
    change = step(grid, silence(25))
    assert levels(placed(change), Side.BUY) == [-1]
    (risk,) = notices(change)
    assert isinstance(risk, RiskChanged)
    assert not risk.active


def test_a_lock_ends_when_the_free_balance_has_grown() -> None:
    grid = started(ONE)
    reject(grid, RejectReason.INSUFFICIENT_MARGIN, 5)
    grid.process([balance(20)])
    assert not orders_after(grid, 100)
    grid.process([balance(20)])
    assert not orders_after(grid, 101)
    change = step(grid, balance(120))
    assert levels(placed(change), Side.BUY) == [-1]


def test_a_lock_lasts_twice_as_long_after_each_refusal_in_a_row() -> None:
    grid, refusals = started(ONE), list[int]()
    for second in range(1, 3601):
        change = grid.process([ticker(1000, second)])
        if change and placed(change):
            refusals.append(second)
        elif slot(grid, -1).order is not None:
            reject(grid, RejectReason.INSUFFICIENT_MARGIN, second)
    pauses = [later - earlier for earlier, later in pairwise(refusals)]
    assert pauses == [41, 81, 161, 321, 641, 641, 641, 641]


def test_an_accepted_order_ends_the_count_of_refusals() -> None:
    grid = started(ONE)
    reject(grid, RejectReason.INSUFFICIENT_MARGIN)
    orders_after(grid, 20)
    assert state_of(grid).margin_locks
    accept_all(grid)
    assert not state_of(grid).margin_locks


def test_a_grid_with_less_money_than_levels_sends_each_further_one_once() -> None:
    """720 USDT and ten levels of 100: seven stand, three are refused, and nothing is canceled."""
    grid = Grid(None, 0)
    change = step(grid, added(replace(LONG, buy_window=10), SPOT), ticker(1000))
    sent = placed(change)
    for each in sent[:7]:
        grid.process([report(each.client_order_id, OrderStatus.NEW)])
    change = step(
        grid,
        *(
            report(each.client_order_id, OrderStatus.REJECTED, reason=RejectReason.INSUFFICIENT_MARGIN)
            for each in sent[7:]
        ),
    )
    grid.process([balance(20)])
    decisions = list(change.decisions)
    for second in range(1, 300):
        change_or_none = grid.process([ticker(1000, second)])
        decisions += change_or_none.decisions if change_or_none else ()
    assert not decisions
    change = fill_and_close(grid)
    assert not canceled(change)


def fill_and_close(grid: Grid) -> Change:
    fill(grid, -1)
    accept_all(grid)
    fill(grid, -1)
    return step(grid, balance(121))


def test_a_closing_order_without_balance_locks_nothing_and_rests_longer_each_time() -> None:
    grid = started(ONE, instrument=SPOT)
    fill(grid, -1)
    changes = [reject(grid, RejectReason.INSUFFICIENT_MARGIN)]
    assert not state_of(grid).margin_locks
    sent = []
    for second in range(1, 300):
        found = grid.process([ticker(1000, second)])
        if found and placed(found):
            sent.append(second)
            changes.append(reject(grid, RejectReason.INSUFFICIENT_MARGIN, second))
    assert sent == [2, 6, 14, 30, 62, 122, 182, 242]
    assert not any(notices(each) for each in changes)


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


def test_a_post_only_order_that_expires_at_once_counts_as_crossing() -> None:
    grid = started(ONE)
    sent = 0
    for second in range(601):
        opening = slot(grid, -1).order
        if opening is not None:
            grid.process([report(opening.client_order_id, OrderStatus.EXPIRED, seconds=second)])
        change = grid.process([ticker(1000, second)])
        sent += len(placed(change)) if change else 0
    assert sent == 29  # three in four seconds, then a cool-down of 60 s
