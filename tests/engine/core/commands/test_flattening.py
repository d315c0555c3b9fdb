"""Parts of a halt: closing orders placed, orders kept, and the end after the last order."""

from decimal import Decimal

import msgspec
import pytest

from engine.core.commands.halt import advance, plan, resume
from engine.core.grid import Grid
from engine.core.quoting.quotes import Market
from schemas.engine.control import CommandName, CommandOutcome
from schemas.engine.events import AlertRaised
from schemas.grid.state import GridState, Halt, Slot, SlotOrder
from schemas.units import ClientOrderId, Side
from schemas.venue.decision_reasons import words
from schemas.venue.instruments import Instrument
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    NEUTRAL,
    PERPETUAL,
    START,
    D,
    answer,
    command,
    draft_of,
    settings_of,
    started,
    state_of,
    step,
    touches,
)

MARKET = Market(D(1000), D(1000), D(1001), START)
EXACT = settings_of(NEUTRAL, flatten_slippage=D(0))


def closing(
    side: Side, price: str, quantity: str = "0.06", traded: str = "0", *, opens: bool = False
) -> SlotOrder:
    return SlotOrder(
        client_order_id=ClientOrderId("x"),
        side=side,
        price=D(price),
        quantity=D(quantity),
        traded_quantity=D(traded),
        opens=opens,
    )


def flattening(position: str, *slots: Slot, instrument: Instrument = PERPETUAL) -> GridState:
    state = state_of(started(EXACT))
    state.instrument = instrument
    state.halt = Halt(reason="", flattens=True)
    state.accounts.position = D(position)
    state.slots = {each.level: each for each in slots}
    return state


def slot(level: int, held: str = "0", order: SlotOrder | None = None) -> Slot:
    return Slot(level=level, cycle=1, held=D(held), order=order)


def wanted(state: GridState) -> list[tuple[int, Decimal]]:
    return [(each.level, each.quantity) for each in plan(state, MARKET, START).quotes]


def canceled(state: GridState) -> list[str]:
    return [words(each.reason) for each in plan(state, MARKET, START).cancels]


@pytest.mark.parametrize(("traded", "left"), [("0", "0.041"), ("0.02", "0.061")])
def test_live_closing_orders_reduce_the_quantity_to_close(traded: str, left: str) -> None:
    live = closing(Side.SELL, "1000", traded=traded)
    state = flattening("0.101", slot(-1, "0.101", live), slot(-2, "0.101"), slot(1, "-0.101"))
    assert wanted(state) == [(-2, D(left))]


def test_flattening_respects_minimum_quantity_and_notional() -> None:
    strict = msgspec.structs.replace(PERPETUAL, minimum_quantity=D("0.01"), minimum_notional=D(10))
    assert wanted(flattening("0.01", slot(-1, "0.01"), instrument=strict)) == [(-1, D("0.01"))]
    assert wanted(flattening("0.009", slot(-1, "0.009"), instrument=strict)) == []
    by_worth = msgspec.structs.replace(PERPETUAL, minimum_notional=D(10))
    assert wanted(flattening("0.009", slot(-1, "0.009"), instrument=by_worth)) == []
    by_quantity = msgspec.structs.replace(strict, minimum_notional=D(1))
    assert wanted(flattening("0.009", slot(-1, "0.009"), instrument=by_quantity)) == []


@pytest.mark.parametrize(
    ("position", "order", "reasons"),
    [
        ("0.06", closing(Side.SELL, "1000"), []),
        ("0.06", closing(Side.SELL, "999.5"), []),
        ("0.06", closing(Side.SELL, "1000.1"), ["the price moved away"]),
        ("-0.06", closing(Side.BUY, "1001"), []),
        ("-0.06", closing(Side.BUY, "1000.9"), ["the price moved away"]),
        ("0.059", closing(Side.SELL, "1000"), ["more than is left to close"]),
        ("0.06", closing(Side.BUY, "1001"), ["flattening"]),
        ("0", closing(Side.SELL, "1000"), ["flattening"]),
        ("-0.06", closing(Side.BUY, "1001", opens=True), ["flattening"]),
    ],
)
def test_flattening_order_stays_while_marketable_and_needed(
    position: str, order: SlotOrder, reasons: list[str]
) -> None:
    assert canceled(flattening(position, slot(-1, position, order))) == reasons


def test_only_what_closes_depends_on_the_price() -> None:
    state = flattening("0.06", slot(-1, "0.06"))
    assert plan(state, MARKET, START).depends_on_price
    state.halt = Halt(reason="")
    assert not plan(state, MARKET, START).depends_on_price


def test_flattening_does_not_wait_for_paused_slots() -> None:
    grid = started(NEUTRAL)
    for each in state_of(grid).slots.values():
        each.quiet_until = START + 1
    step(grid, command(CommandName.FLATTEN))
    assert {each.quiet_until for each in state_of(grid).slots.values()} == {0}


def test_one_order_is_one_order() -> None:
    one = started(settings_of(NEUTRAL, buy_window=1, sell_window=0))
    assert answer(step(one, command(CommandName.STOP))).detail.startswith("1 order is being canceled")


def halted(halt: Halt, position: str = "0") -> Grid:
    """Return a halted grid whose last order has ended."""
    grid = started(NEUTRAL)
    state = state_of(grid)
    state.halt, state.slots, state.accounts.position = halt, {}, D(position)
    return grid


def test_finishing_a_halt_touches_the_draft_once() -> None:
    for halt in (Halt(reason="", flattens=True), Halt(reason="", removes=True)):
        grid = halted(halt)
        assert touches(advance, draft_of(grid, 1000))
        assert not touches(advance, draft_of(grid, 1000))
        assert not halt.flattens


def test_stopped_grid_does_not_advance() -> None:
    draft = draft_of(halted(Halt(reason="")), 1000)
    assert not touches(advance, draft)
    assert draft.notices == []


def test_end_of_removal_raises_an_alert() -> None:
    draft = draft_of(halted(Halt(reason="", removes=True)), 1000)
    assert touches(advance, draft)
    assert draft.state.removed
    (alert,) = draft.notices
    assert isinstance(alert, AlertRaised)
    assert (alert.code, alert.detail) == ("removed", "no order is live, a position of 0 BTC is left")


def test_removal_with_a_position_is_aborted() -> None:
    halt = Halt(reason="", removes=True)
    assert touches(advance, draft_of(halted(halt, "0.1"), 1000))
    assert not halt.removes


def test_resume_returns_whether_there_was_a_halt() -> None:
    grid = halted(Halt(reason=""))
    assert resume(draft_of(grid), "")
    assert not resume(draft_of(grid), "")


def test_remove_is_refused_for_a_stopped_grid_with_a_position() -> None:
    grid = halted(Halt(reason=""), "0.1")
    assert answer(step(grid, command(CommandName.REMOVE))).outcome is CommandOutcome.REFUSED


def test_slot_with_a_closing_order_places_no_other() -> None:
    state = flattening("0.101", slot(-1, "0.101", closing(Side.SELL, "1000")))
    assert wanted(state) == []


def test_only_slots_on_the_position_side_are_closed() -> None:
    assert wanted(flattening("0.05", slot(1, "-0.2"), slot(-1, "0.05"))) == [(-1, D("0.05"))]


def test_ended_order_is_not_counted_as_canceled() -> None:
    one = started(settings_of(NEUTRAL, buy_window=2, sell_window=0))
    found = state_of(one).slots[-2].order
    assert found is not None
    found.ended = OrderStatus.CANCELED
    assert answer(step(one, command(CommandName.STOP))).orders_out == 1
