"""A halt piece by piece: which closing orders are wanted, which may stay, and what is told when the last one has ended."""

from decimal import Decimal

import msgspec
import pytest

from engine.core.commands.halt import look, plan, resume, stop
from engine.core.grid import Grid
from engine.core.quoting.quoting import Market
from schemas.engine.control import CommandName, CommandOutcome
from schemas.engine.events import AlertRaised
from schemas.grid.state import GridState, Halt, Slot, SlotOrder
from schemas.units import ClientOrderId, Side
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
    return [reason for _, reason in plan(state, MARKET, START).cancels]


@pytest.mark.parametrize(("traded", "left"), [("0", "0.041"), ("0.02", "0.061")])
def test_what_is_being_closed_is_not_closed_twice(traded: str, left: str) -> None:
    out = closing(Side.SELL, "1000", traded=traded)
    state = flattening("0.101", slot(-1, "0.101", out), slot(-2, "0.101"), slot(1, "-0.101"))
    assert wanted(state) == [(-2, D(left))]


def test_the_smallest_quantity_that_the_venue_takes_is_closed() -> None:
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
def test_an_order_stays_while_it_closes_what_is_left_at_once(
    position: str, order: SlotOrder, reasons: list[str]
) -> None:
    assert canceled(flattening(position, slot(-1, position, order))) == reasons


def test_only_what_closes_depends_on_the_price() -> None:
    state = flattening("0.06", slot(-1, "0.06"))
    assert plan(state, MARKET, START).depends_on_price
    state.halt = Halt(reason="")
    assert not plan(state, MARKET, START).depends_on_price


def test_a_flattening_waits_for_no_slot_that_is_quiet() -> None:
    grid = started(NEUTRAL)
    for each in state_of(grid).slots.values():
        each.quiet_until = START + 1
    step(grid, command(CommandName.FLATTEN))
    assert {each.quiet_until for each in state_of(grid).slots.values()} == {0}


def test_one_order_is_one_order() -> None:
    one = started(settings_of(NEUTRAL, buy_window=1, sell_window=0))
    assert answer(step(one, command(CommandName.STOP))).detail.startswith("1 order canceled")


def halted(halt: Halt, position: str = "0") -> Grid:
    """Return a grid that was told to stop, whose last order has ended."""
    grid = started(NEUTRAL)
    state = state_of(grid)
    state.halt, state.slots, state.accounts.position = halt, {}, D(position)
    return grid


def test_whoever_goes_on_says_so_once() -> None:
    for halt in (Halt(reason="", flattens=True), Halt(reason="", removes=True)):
        grid = halted(halt)
        assert look(draft_of(grid, 1000))
        assert not look(draft_of(grid, 1000))
        assert not halt.flattens


def test_what_is_only_stopped_goes_nowhere() -> None:
    draft = draft_of(halted(Halt(reason="")), 1000)
    assert not look(draft)
    assert draft.notices == []


def test_the_end_of_a_removal_is_told() -> None:
    draft = draft_of(halted(Halt(reason="", removes=True)), 1000)
    assert look(draft)
    assert draft.state.removed
    (told,) = draft.notices
    assert isinstance(told, AlertRaised)
    assert (told.code, told.detail) == ("removed", "no order is out, a position of 0 BTC is left")


def test_a_removal_that_is_called_off_is_over() -> None:
    halt = Halt(reason="", removes=True)
    assert look(draft_of(halted(halt, "0.1"), 1000))
    assert not halt.removes


def test_a_resume_says_whether_there_was_a_stop() -> None:
    grid = halted(Halt(reason=""))
    assert resume(draft_of(grid), "")
    assert not resume(draft_of(grid), "")


def test_what_is_stopped_and_holds_a_position_is_not_removed() -> None:
    grid = halted(Halt(reason=""), "0.1")
    assert answer(step(grid, command(CommandName.REMOVE))).outcome is CommandOutcome.REFUSED


def test_a_slot_that_closes_is_not_asked_to_close_more() -> None:
    state = flattening("0.101", slot(-1, "0.101", closing(Side.SELL, "1000")))
    assert wanted(state) == []


def test_only_slots_of_the_side_of_the_position_are_closed() -> None:
    assert wanted(flattening("0.05", slot(1, "-0.2"), slot(-1, "0.05"))) == [(-1, D("0.05"))]


def test_an_order_that_ended_is_not_out() -> None:
    one = started(settings_of(NEUTRAL, buy_window=2, sell_window=0))
    found = state_of(one).slots[-2].order
    assert found is not None
    found.ended = OrderStatus.CANCELED
    assert stop(draft_of(one), "")[1].startswith("1 order canceled")
