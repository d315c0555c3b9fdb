"""Stop, flatten and remove: what is canceled, what is closed, and what ends them."""

from engine.core.grid import Grid
from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.engine.events import AlertRaised, RiskChanged, Severity
from schemas.grid.settings import GridSettings
from schemas.grid.view import NotQuoting
from schemas.units import Side
from schemas.venue.orders import OrderStatus, PlaceOrder, RejectReason
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    SPOT,
    D,
    accept_all,
    added,
    answer,
    answers,
    canceled,
    command,
    end,
    fill,
    notices,
    order,
    placed,
    report,
    risks,
    settings_of,
    started,
    state_of,
    step,
    ticker,
    trade,
)

STOP, FLATTEN, REMOVE, RESUME = (
    CommandName.STOP,
    CommandName.FLATTEN,
    CommandName.REMOVE,
    CommandName.RESUME,
)


def holding(settings: GridSettings = LONG) -> Grid:
    """Return a grid that holds 0.101 at level -1, with a live closing order."""
    grid = started(settings)
    fill(grid, -1)
    accept_all(grid)
    return grid


def all_end(grid: Grid) -> list[PlaceOrder]:
    """Let the venue cancel every live order; return the orders placed then."""
    orders = [slot.order for slot in state_of(grid).slots.values() if slot.order]
    return placed(end(grid, *(each.client_order_id for each in orders)))


def test_stop_cancels_all_orders_and_keeps_the_position() -> None:
    grid = holding()
    change = step(grid, command(STOP))
    assert answer(change).detail == "3 orders are being canceled; a position of 0.101 BTC stays"
    assert len(canceled(change)) == 3
    assert all_end(grid) == []
    assert grid.why_not_quoting() is NotQuoting.STOPPED


def test_stopped_grid_places_nothing_at_any_price() -> None:
    grid = holding()
    step(grid, command(STOP))
    all_end(grid)
    assert not placed(step(grid, ticker(900)))
    assert not placed(step(grid, ticker(1100)))


def test_resume_ends_stop_and_pause() -> None:
    grid = holding()
    step(grid, command(CommandName.PAUSE))
    step(grid, command(STOP))
    all_end(grid)
    change = step(grid, command(RESUME))
    assert answer(change).outcome is CommandOutcome.APPLIED
    assert sorted(each.level for each in placed(change)) == [-3, -2, -1]
    assert answer(step(grid, command(RESUME))).outcome is CommandOutcome.UNCHANGED


def test_repeated_stop_is_unchanged() -> None:
    grid = started()
    step(grid, command(STOP))
    assert answer(step(grid, command(STOP))).outcome is CommandOutcome.UNCHANGED


def test_flatten_cancels_then_closes_beyond_the_best_price_then_stops() -> None:
    grid = holding()
    change = step(grid, command(FLATTEN))
    assert answer(change).detail == (
        "3 orders are being canceled; closing a position of 0.101 BTC at most 0.5% beyond the best price; "
        "stopped afterwards"
    )
    assert (risks(change), placed(change)) == ([("flatten", True)], [])
    closing = all_end(grid)
    assert [(each.side, each.price, each.quantity, each.reduce_only, each.post_only) for each in closing] == [
        (Side.SELL, D("994.9"), D("0.101"), True, False)
    ]
    assert grid.why_not_quoting() is NotQuoting.FLATTENING
    flat = fill(grid, -1, price=999)
    assert risks(flat) == [("flatten", False)]
    assert grid.why_not_quoting() is NotQuoting.STOPPED
    assert state_of(grid).accounts.position == 0


def test_end_of_flattening_reports_figures() -> None:
    grid = holding()
    step(grid, command(FLATTEN))
    all_end(grid)
    notice = notices(fill(grid, -1, price=999))[0]
    assert isinstance(notice, RiskChanged)
    assert notice.details == "flat at 1000, total profit 0.8690 USDT"
    assert notice.figures == {"price": "1000", "total_profit": "0.8690", "position_base": "0.000"}


def test_flatten_without_position_ends_with_the_last_order() -> None:
    grid = started()
    assert risks(step(grid, command(FLATTEN))) == [("flatten", True)]
    all_end(grid)
    assert grid.why_not_quoting() is NotQuoting.STOPPED


def test_flattening_order_is_replaced_when_the_price_moves_away() -> None:
    grid = holding()
    step(grid, command(FLATTEN))
    all_end(grid)
    accept_all(grid)
    assert grid.process([ticker(996)]) is None
    change = step(grid, ticker(990))
    assert canceled(change) == {order(grid, -1).client_order_id}
    (replaced,) = all_end(grid)
    assert replaced.price == D("984.9")


def test_flatten_buys_back_a_short_position() -> None:
    grid = started(NEUTRAL)
    fill(grid, 1)
    step(grid, command(FLATTEN))
    (closing,) = all_end(grid)
    assert (closing.side, closing.price, closing.quantity) == (Side.BUY, D("1005.2"), D("0.099"))


def test_flatten_closes_long_and_short_slots_net() -> None:
    grid = started(NEUTRAL)
    for level in (-1, -2, 1):
        fill(grid, level)
    step(grid, command(FLATTEN))
    closing = all_end(grid)
    assert [(each.level, each.side, each.quantity, each.reduce_only) for each in closing] == [
        (-2, Side.SELL, D("0.104"), True)
    ]
    assert state_of(grid).accounts.position == D("0.104")


def test_rest_of_a_partially_filled_flattening_order_is_closed() -> None:
    grid = holding()
    step(grid, command(FLATTEN))
    all_end(grid)
    closing = order(grid, -1)
    expired = report(closing.client_order_id, OrderStatus.EXPIRED, "0.05")
    (replaced,) = placed(step(grid, trade(closing, "0.05"), expired))
    assert replaced.quantity == D("0.051")


def test_rest_below_the_minimum_stays_and_is_reported() -> None:
    grid = holding()
    step(grid, command(FLATTEN))
    all_end(grid)
    closing = order(grid, -1)
    change = step(grid, trade(closing, "0.1"), report(closing.client_order_id, OrderStatus.EXPIRED, "0.1"))
    notice, alert, result = notices(change)
    assert isinstance(notice, RiskChanged)
    assert isinstance(alert, AlertRaised)
    assert isinstance(result, CommandResult)
    text = "not flat: 0.001 BTC stays, worth 1.0 USDT at 1000, below the venue's minimum"
    assert notice.severity is alert.severity is Severity.CRITICAL
    assert alert.detail == text
    assert notice.details.startswith(text)
    assert text in result.detail


def test_rejected_flattening_order_is_retried_soon() -> None:
    grid = holding()
    step(grid, command(FLATTEN))
    all_end(grid)
    refused = report(order(grid, -1).client_order_id, OrderStatus.REJECTED, reason=RejectReason.OTHER)
    assert not placed(step(grid, refused))
    assert len(placed(step(grid, ticker(1000, 2)))) == 1


def test_fill_during_flattening_is_closed() -> None:
    grid = holding()
    step(grid, command(FLATTEN))
    (closing,) = placed(fill(grid, -2))
    assert (closing.level, closing.quantity, closing.reduce_only) == (-2, D("0.102"), True)


def test_excess_closing_order_is_canceled() -> None:
    grid = holding(NEUTRAL)
    late = order(grid, 1)
    step(grid, command(FLATTEN))
    orders = [slot.order for slot in state_of(grid).slots.values() if slot.order and slot.order is not late]
    end(grid, *(each.client_order_id for each in orders))
    accept_all(grid)
    change = step(grid, trade(late))
    assert canceled(change) == {order(grid, -1).client_order_id}


def test_reversed_position_is_closed_from_the_other_side() -> None:
    grid = holding(NEUTRAL)
    late = [order(grid, level) for level in (1, 2)]
    step(grid, command(FLATTEN))
    others = [slot.order for slot in state_of(grid).slots.values() if slot.order and slot.order not in late]
    end(grid, *(each.client_order_id for each in others))
    change = step(grid, *(trade(each) for each in late))
    assert canceled(change) == {order(grid, -1).client_order_id}
    assert [(each.side, each.level) for each in placed(change)] == [(Side.BUY, 1)]


def test_stop_aborts_flattening() -> None:
    grid = holding()
    step(grid, command(FLATTEN))
    change = step(grid, command(STOP))
    assert [each.outcome for each in answers(change)] == [CommandOutcome.INCOMPLETE, CommandOutcome.ACCEPTED]
    assert risks(change) == [("flatten", False)]
    assert all_end(grid) == []


def test_resume_aborts_flattening() -> None:
    grid = holding()
    step(grid, command(FLATTEN))
    all_end(grid)
    assert risks(step(grid, command(RESUME))) == [("flatten", False)]
    assert grid.why_not_quoting() is None


def test_flatten_is_unchanged_while_flattening_or_flat() -> None:
    grid = holding()
    step(grid, command(FLATTEN))
    assert answer(step(grid, command(FLATTEN))).detail == "already flattening; 3 orders still open"
    all_end(grid)
    fill(grid, -1)
    assert answer(step(grid, command(FLATTEN))).detail == "already flat"


def test_stopped_grid_can_be_flattened() -> None:
    grid = holding()
    step(grid, command(STOP))
    all_end(grid)
    assert len(placed(step(grid, command(FLATTEN)))) == 1


def test_spot_position_is_flattened_without_reduce_only() -> None:
    grid = started(instrument=SPOT)
    fill(grid, -1)
    step(grid, command(FLATTEN))
    (closing,) = all_end(grid)
    assert not closing.reduce_only


def test_flattening_respects_the_order_limit() -> None:
    grid = started(settings_of(LONG, order_cleanup_threshold=4))
    step(grid, command(FLATTEN))
    state_of(grid).settings = settings_of(LONG, order_cleanup_threshold=2)
    assert [len(placed(fill(grid, level))) for level in (-1, -2, -3)] == [0, 1, 1]


def test_remove_completes_when_the_last_order_ended() -> None:
    grid = started()
    assert answer(step(grid, command(REMOVE))).detail == "3 orders are being canceled; removed afterwards"
    assert not state_of(grid).removed
    all_end(grid)
    assert state_of(grid).removed
    assert grid.why_not_quoting() is NotQuoting.REMOVED
    assert answer(step(grid, command(RESUME))).outcome is CommandOutcome.REFUSED


def test_remove_is_refused_with_a_position_unless_kept() -> None:
    grid = holding()
    assert answer(step(grid, command(REMOVE))).outcome is CommandOutcome.REFUSED
    assert grid.why_not_quoting() is None
    step(grid, command(REMOVE, keep_position=True))
    all_end(grid)
    assert state_of(grid).removed


def test_remove_during_flattening_completes_when_flat() -> None:
    grid = holding()
    step(grid, command(FLATTEN))
    change = step(grid, command(REMOVE))
    assert answer(change).detail == "3 orders are being canceled; removed once the position is closed"
    all_end(grid)
    assert not state_of(grid).removed
    fill(grid, -1)
    assert state_of(grid).removed


def test_repeated_remove_is_unchanged_unless_it_keeps_the_position() -> None:
    grid = started()
    step(grid, command(REMOVE))
    assert answer(step(grid, command(REMOVE))).outcome is CommandOutcome.UNCHANGED
    assert answer(step(grid, command(REMOVE, keep_position=True))).outcome is CommandOutcome.ACCEPTED


def test_fill_during_removal_aborts_it() -> None:
    grid = started()
    step(grid, command(REMOVE))
    fill(grid, -1)
    orders = [slot.order for slot in state_of(grid).slots.values() if slot.order]
    change = end(grid, *(each.client_order_id for each in orders))
    assert [each.code for each in change.notices if isinstance(each, AlertRaised)] == ["not_removed"]
    assert not state_of(grid).removed
    assert grid.why_not_quoting() is NotQuoting.STOPPED


def test_flatten_before_the_first_price_applies() -> None:
    grid = Grid(None, 0)
    grid.process([added()])
    assert answer(step(grid, command(FLATTEN))).outcome is CommandOutcome.APPLIED
    assert not placed(step(grid, ticker(1000)))
