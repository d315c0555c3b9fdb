"""Slots and the life of their orders: one order a slot at most, and no id twice.

A slot's cycle is part of the next order's id. It grows when an order ended for good, which is when the venue ended it
and as much was traded as it reported; until then the order stays in its slot and nothing else is sent.
"""

from enum import Enum, auto

from schemas.grid.settings import GridMode
from schemas.grid.state import FinishedOrder, GridState, Slot, SlotOrder, SlotOrderState
from schemas.units import ZERO, ClientOrderId, Quantity, Side
from schemas.venue.order_ids import OrderName, is_ours, order_id, parse_order_id

FINISHED_KEPT = 64
"""Orders remembered after they ended, so that a late trade is booked and a repeated one is not."""


class Progress(Enum):
    """What carries an order on before it ends."""

    ACCEPTED = auto()
    """The venue has it: a report, a trade or a sweep showed it."""
    CANCEL_DECIDED = auto()


NEXT_STATE: dict[SlotOrderState, dict[Progress, SlotOrderState]] = {
    SlotOrderState.REQUESTED: {
        Progress.ACCEPTED: SlotOrderState.OPEN,
        Progress.CANCEL_DECIDED: SlotOrderState.CANCEL_REQUESTED,
    },
    SlotOrderState.OPEN: {
        Progress.ACCEPTED: SlotOrderState.OPEN,
        Progress.CANCEL_DECIDED: SlotOrderState.CANCEL_REQUESTED,
    },
    SlotOrderState.CANCEL_REQUESTED: {
        Progress.ACCEPTED: SlotOrderState.CANCEL_REQUESTED,
        Progress.CANCEL_DECIDED: SlotOrderState.CANCEL_REQUESTED,
    },
}
"""An order's life before it ends. A cancel is taken back by nothing but the end, so a late report undoes no decision."""


def advance(order: SlotOrder, progress: Progress) -> bool:
    """Carry an order on, and tell whether that changed anything."""
    before = order.state
    order.state = NEXT_STATE[before][progress]
    if order.state is before:
        return False
    order.unconfirmed_passes = 0
    return True


def is_working(order: SlotOrder) -> bool:
    """Tell whether an order is in the venue's book, or on its way there, and shall stay."""
    return order.ended is None and order.state is not SlotOrderState.CANCEL_REQUESTED


def has_all_trades(order: SlotOrder | FinishedOrder) -> bool:
    """Tell whether as much was traded as was reported."""
    return order.traded_quantity >= order.reported_quantity


def note_answer(order: SlotOrder) -> bool:
    """Take note that the venue told of an order, and tell whether it was asked and owes no trades any more."""
    if not order.asked_time or not has_all_trades(order):
        return False
    order.asked_time = 0
    return True


def raise_checksum(order: SlotOrder | FinishedOrder, cumulative_quantity: Quantity) -> bool:
    """Keep the largest cumulative quantity reported, and tell whether this one was, and is not traded yet."""
    if cumulative_quantity <= max(order.reported_quantity, order.traded_quantity):
        return False
    order.reported_quantity = cumulative_quantity
    return True


def name_of(state: GridState, client_order_id: ClientOrderId) -> OrderName | None:
    """Return what an id says if it is ours, of whatever generation; None for another's."""
    if not is_ours(client_order_id, state.instance, state.symbol):
        return None
    return parse_order_id(client_order_id)


def find_slot(state: GridState, name: OrderName, client_order_id: ClientOrderId) -> Slot | None:
    """Return the slot that has this order now."""
    slot = state.slots.get(name.level)
    if slot is not None and slot.order is not None and slot.order.client_order_id == client_order_id:
        return slot
    return None


def find_finished(state: GridState, client_order_id: ClientOrderId) -> FinishedOrder | None:
    """Return an order that left its slot not long ago."""
    return next((each for each in reversed(state.finished) if each.client_order_id == client_order_id), None)


def is_forgotten(state: GridState, client_order_id: ClientOrderId) -> bool:
    """Tell whether an id is one of ours, of this generation, of which nothing is known any more."""
    name = name_of(state, client_order_id)
    return (
        name is not None
        and name.generation == state.generation
        and find_slot(state, name, client_order_id) is None
        and find_finished(state, client_order_id) is None
    )


def slot_at(state: GridState, level: int) -> Slot:
    """Return the slot of a level, a new one if there is none."""
    slot = state.slots.get(level)
    if slot is None:
        slot = state.slots[level] = Slot(level=level, cycle=state.next_cycle)
    return slot


def open_order(state: GridState, slot: Slot, order: SlotOrder) -> None:
    """Give a free slot its order."""
    assert slot.order is None, f"slot {slot.level} has {slot.order}"
    assert state.slots[slot.level] is slot
    slot.order = order


def next_order_id(state: GridState, slot: Slot, side: Side) -> ClientOrderId:
    """Return the id that a free slot's next order has."""
    return order_id(state.instance, state.symbol, state.generation, slot.level, side, slot.cycle)


def finish_order(state: GridState, slot: Slot) -> bool:
    """Free a slot whose order ended and has all its trades, and tell whether it was so."""
    order = slot.order
    if order is None or order.ended is None or not has_all_trades(order):
        return False
    state.finished.append(
        FinishedOrder(
            client_order_id=order.client_order_id,
            level=slot.level,
            opens=order.opens,
            reported_quantity=order.reported_quantity,
            traded_quantity=order.traded_quantity,
            trade_ids=order.trade_ids,
        )
    )
    del state.finished[:-FINISHED_KEPT]
    slot.order = None
    slot.cycle += 1
    return True


def retire_cycle(state: GridState, name: OrderName) -> None:
    """Never again use the cycle of an order of ours that we know nothing of."""
    if name.generation != state.generation:
        return
    state.next_cycle = max(state.next_cycle, name.cycle + 1)
    slot = state.slots.get(name.level)
    if slot is not None:
        slot.cycle = max(slot.cycle, name.cycle + (slot.order is None))


def tidy(state: GridState) -> None:
    """Drop slots that have nothing to remember, and sort the rest by level."""
    settings, center = state.settings, state.center
    lowest = center - settings.buy_window * state.stride
    highest = center if settings.mode is GridMode.LONG else center + settings.sell_window * state.stride
    kept = {}
    for level in sorted(state.slots):
        slot = state.slots[level]
        is_idle = slot.order is None and slot.held == ZERO and slot.quiet_until <= state.time
        if is_idle and not lowest <= level <= highest:
            state.next_cycle = max(state.next_cycle, slot.cycle)
        else:
            kept[level] = slot
    state.slots = kept
