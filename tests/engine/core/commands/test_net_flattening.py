"""Flattening with net orders: what several slots hold is closed together, and a venue that has less ends it."""

import msgspec

from engine.core.grid import Grid
from engine.core.quoting.quotes import closing_left
from engine.core.step import Change
from schemas.engine.control import CommandName, CommandOutcome
from schemas.engine.events import AlertRaised, RiskChanged, Severity
from schemas.grid.settings import GridSettings
from schemas.units import Side
from schemas.venue.account import OpenOrders
from schemas.venue.instruments import Instrument
from schemas.venue.orders import OrderStatus, PlaceOrder, RejectReason
from tests.builders import SIM
from tests.engine.core.examples import (
    LONG,
    PERPETUAL,
    SPOT,
    D,
    accept_all,
    answer,
    at,
    command,
    end,
    fill,
    order,
    placed,
    position,
    report,
    slot,
    started,
    state_of,
    step,
    ticker,
    trade,
)

replace = msgspec.structs.replace
TEN = replace(LONG, buy_window=10, sell_window=10)
COARSE = replace(PERPETUAL, minimum_notional=D(100))


def partly_filled(settings: GridSettings, instrument: Instrument, quantity: str, number: int) -> Grid:
    """Return a grid of which `number` levels hold a partial fill each, and whose orders have ended."""
    grid = started(settings, instrument=instrument)
    for level in range(-1, -1 - number, -1):
        buy = order(grid, level)
        step(grid, trade(buy, quantity, symbol=instrument.symbol))
        step(grid, command(CommandName.STOP, command_id=f"s{level}")) if level == -1 else None
    end(grid, *(each.order.client_order_id for each in state_of(grid).slots.values() if each.order))
    return grid


def flatten(grid: Grid) -> list[PlaceOrder]:
    return placed(step(grid, command(CommandName.FLATTEN), ticker(950, 1)))


def sweep(grid: Grid, quantity: str, seconds: float) -> Change | None:
    """Apply a sweep without open orders, and the position read with it."""
    found = OpenOrders(venue=SIM, symbol=state_of(grid).symbol, orders=(), includes=0, time=at(seconds))
    return grid.process([found, position(quantity, seconds)])


def test_what_a_net_order_may_still_close_is_not_closed_again() -> None:
    """A net order for two levels is out: after `resume` nothing more may be sold before it has ended."""
    grid = partly_filled(TEN, PERPETUAL, "0.05", 2)
    (net,) = flatten(grid)
    accept_all(grid)
    change = step(grid, command(CommandName.RESUME, command_id="r"), ticker(1020, 2))
    assert not [each for each in placed(change) if each.side is Side.SELL]
    assert closing_left(state_of(grid), Side.SELL) <= net.quantity

    end(grid, net.client_order_id)
    step(grid, ticker(1020, 3))
    assert closing_left(state_of(grid), Side.SELL) == state_of(grid).accounts.position


def test_holdings_below_the_minimum_are_closed_by_one_order() -> None:
    """Ten levels of 150, each filled for 49 of a minimum of 100: 484 in all."""
    grid = partly_filled(replace(TEN, order_amount=D(150)), COARSE, "0.05", 10)
    (closing,) = flatten(grid)
    assert (closing.side, closing.quantity, closing.reduce_only) == (Side.SELL, D("0.500"), True)
    change = step(grid, trade(order(grid, closing.level), price=950))
    state = state_of(grid)
    assert state.accounts.position == 0
    assert not any(each.held for each in state.slots.values())
    (ended,) = [each for each in change.notices if isinstance(each, RiskChanged)]
    assert ended.severity is Severity.LOW
    assert state.accounts.closed_pairs == 10


def test_dust_of_neighbors_is_closed_together() -> None:
    """Three slots of 4 USDT, 12 in all, with a minimum of 5."""
    grid = partly_filled(LONG, SPOT, "0.004", 3)
    (closing,) = flatten(grid)
    assert closing.quantity == D("0.012")
    step(grid, trade(order(grid, closing.level), price=950, symbol=SPOT.symbol))
    assert state_of(grid).accounts.position == 0


def test_a_net_order_is_cut_to_the_largest_order() -> None:
    grid = partly_filled(LONG, replace(PERPETUAL, maximum_quantity=D("0.2")), "0.1", 3)
    assert [each.quantity for each in flatten(grid)] == [D("0.200"), D("0.100")]


def test_a_partial_fill_of_a_net_order_is_booked_where_the_quantity_was_held() -> None:
    grid = partly_filled(LONG, PERPETUAL, "0.1", 3)
    (closing,) = flatten(grid)
    step(grid, trade(order(grid, closing.level), "0.15", price=950))
    held = {level: slot(grid, level).held for level in (-1, -2, -3)}
    assert sum(held.values()) == D("0.15") == state_of(grid).accounts.position
    assert held[closing.level] == 0


def test_a_late_trade_of_a_net_order_is_taken_from_the_slots_that_hold() -> None:
    grid = partly_filled(LONG, PERPETUAL, "0.1", 3)
    (closing,) = flatten(grid)
    late = order(grid, closing.level)
    step(grid, report(late.client_order_id, OrderStatus.CANCELED))
    step(grid, trade(late, price=950))
    assert not any(each.held for each in state_of(grid).slots.values())


def test_reduce_only_orders_may_be_below_the_minimum_where_the_venue_allows_it() -> None:
    grid = partly_filled(
        replace(LONG, order_amount=D(150)), replace(COARSE, closes_exempt_from_minimum=True), "0.004", 1
    )
    (closing,) = flatten(grid)
    assert closing.quantity == D("0.004")


def test_what_cannot_be_closed_is_critical_and_may_be_removed() -> None:
    grid = partly_filled(replace(LONG, order_amount=D(150)), COARSE, "0.05", 1)
    change = step(grid, command(CommandName.FLATTEN), ticker(950, 1))
    (alert,) = [each for each in change.notices if isinstance(each, AlertRaised)]
    assert alert.severity is Severity.CRITICAL
    assert alert.detail == "not flat: 0.05 BTC stays, worth 47.5 USDT at 950, below the venue's minimum"
    assert answer(step(grid, command(CommandName.REMOVE, command_id="r"))).outcome is CommandOutcome.APPLIED
    assert state_of(grid).removed


def sold_by_hand() -> tuple[Grid, list[int], list[Change]]:
    """Flatten a position that was sold at the venue, with a sweep a minute; return when orders were sent."""
    grid = started(LONG)
    fill(grid, -1)
    accept_all(grid)
    step(grid, command(CommandName.STOP))
    end(grid, *(each.order.client_order_id for each in state_of(grid).slots.values() if each.order))
    step(grid, command(CommandName.FLATTEN, command_id="f"))
    sent, changes = list[int](), list[Change]()
    for second in range(1, 301):
        found = [grid.process([ticker(1000, second)])]
        if second % 60 == 0:
            found.append(sweep(grid, "0", second))
        held = slot(grid, -1).order if -1 in state_of(grid).slots else None
        if held is not None:
            sent.append(second)
            refusal = report(
                held.client_order_id, OrderStatus.REJECTED, reason=RejectReason.REDUCE_ONLY, seconds=second
            )
            found.append(grid.process([refusal]))
        changes += [each for each in found if each is not None]
    return grid, sent, changes


def test_flattening_what_the_venue_does_not_have_ends_and_says_so() -> None:
    grid, sent, changes = sold_by_hand()
    assert sent == [1, 3, 7, 15, 31, 63]
    alerts = [each for change in changes for each in change.notices if isinstance(each, AlertRaised)]
    assert [(each.code, each.severity) for each in alerts if each.code == "not_flat"] == [
        ("not_flat", Severity.HIGH)
    ]
    assert "flat at the venue, the books hold 0.101 BTC more" in [each.detail for each in alerts]
    halt = state_of(grid).halt
    assert halt is not None
    assert not halt.flattens


def test_flattening_closes_what_the_venue_has() -> None:
    grid = started(LONG)
    fill(grid, -1)
    accept_all(grid)
    step(grid, command(CommandName.STOP))
    end(grid, *(each.order.client_order_id for each in state_of(grid).slots.values() if each.order))
    sweep(grid, "0.05", 1)
    sweep(grid, "0.05", 2)
    (closing,) = placed(step(grid, command(CommandName.FLATTEN, command_id="f")))
    assert closing.quantity == D("0.05")


def test_the_fee_of_a_net_order_is_shared_without_a_rest() -> None:
    grid = partly_filled(LONG, PERPETUAL, "0.1", 3)
    (closing,) = flatten(grid)
    step(grid, trade(order(grid, closing.level), price=950, fee="0.1"))
    accounts = state_of(grid).accounts
    assert accounts.unmatched_fees == 0
    assert accounts.cash - accounts.fees == accounts.grid_profit
