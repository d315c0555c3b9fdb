"""Slots and the life cycle of their orders: at most one order per slot, and no order id twice.

A slot's cycle is part of its next order's id. It grows when an order is finished: the venue ended it, and all trades that
it reported are booked. Until then the order stays in its slot, and no other is placed there.
"""

from enum import Enum, auto

from engine.core.step import Draft
from schemas.grid.settings import GridMode
from schemas.grid.state import FinishedOrder, GridState, Slot, SlotOrder, SlotOrderState
from schemas.units import ZERO, ClientOrderId, Quantity, Side
from schemas.venue.order_ids import OrderIdParts, is_own_order_id, order_id, parse_order_id

MAX_FINISHED_ORDERS = 64
"""Orders remembered after they finished, in case that trades of them are missing."""


class Progress(Enum):
    """An event in the life of an order before its end."""

    ACCEPTED = auto()
    """A report, a trade or a sweep showed that the venue has it."""
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
"""State transitions of an order before its end. Nothing leads out of `CANCEL_REQUESTED`: late reports undo no decision."""


def advance(draft: Draft, order: SlotOrder, progress: Progress) -> None:
    """Apply a state transition to an order."""
    state = NEXT_STATE[order.state][progress]
    if state is not order.state:
        draft.touch()
        order.state, order.unconfirmed_passes = state, 0


def is_working(order: SlotOrder) -> bool:
    """Return whether an order is live at the venue, or on its way there, and is not being canceled."""
    return order.ended is None and order.state is not SlotOrderState.CANCEL_REQUESTED


def has_all_trades(order: SlotOrder | FinishedOrder) -> bool:
    """Return whether all trades that the venue reported are booked."""
    return order.traded_quantity >= order.reported_quantity


def clear_query(draft: Draft, order: SlotOrder) -> None:
    """Record that the venue answered a query of the order, unless trades of the order are still missing."""
    if order.asked_time and has_all_trades(order):
        draft.touch()
        order.asked_time = 0


def record_reported_quantity(
    draft: Draft, order: SlotOrder | FinishedOrder, cumulative_quantity: Quantity
) -> None:
    """Record a reported cumulative quantity, which the trades have to add up to, if it is the largest so far."""
    if cumulative_quantity > max(order.reported_quantity, order.traded_quantity):
        draft.touch()
        order.reported_quantity = cumulative_quantity


def own_id_parts(state: GridState, client_order_id: ClientOrderId) -> OrderIdParts | None:
    """Return the parts of an id of this grid, such as `sqt5ouqa01m00003B000001`, of any generation; None if foreign."""
    if not is_own_order_id(client_order_id, state.instance, state.symbol):
        return None
    return parse_order_id(client_order_id)


def find_slot(state: GridState, parts: OrderIdParts, client_order_id: ClientOrderId) -> Slot | None:
    """Return the slot whose current order has this id."""
    slot = state.slots.get(parts.level)
    if slot is not None and slot.order is not None and slot.order.client_order_id == client_order_id:
        return slot
    return None


def find_finished(state: GridState, client_order_id: ClientOrderId) -> FinishedOrder | None:
    """Return the finished order with this id while it is remembered."""
    return next((each for each in reversed(state.finished) if each.client_order_id == client_order_id), None)


def slot_at(state: GridState, level: int) -> Slot:
    """Return the slot of a level, creating it if needed."""
    slot = state.slots.get(level)
    if slot is None:
        slot = state.slots[level] = Slot(level=level, cycle=state.next_cycle)
    return slot


def open_order(state: GridState, slot: Slot, order: SlotOrder) -> None:
    """Put an order into a free slot."""
    assert slot.order is None, f"slot {slot.level} has {slot.order}"
    assert state.slots[slot.level] is slot
    slot.order = order


def next_order_id(state: GridState, slot: Slot, side: Side) -> ClientOrderId:
    """Return the id of a free slot's next order."""
    return order_id(state.instance, state.symbol, state.generation, slot.level, side, slot.cycle)


def finish_order(draft: Draft, slot: Slot) -> None:
    """Free a slot if its order has ended and all reported trades are booked."""
    state, order = draft.state, slot.order
    if order is None or order.ended is None or not has_all_trades(order):
        return
    draft.touch()
    state.refused_cancels.pop(order.client_order_id, None)
    state.finished.append(
        FinishedOrder(
            client_order_id=order.client_order_id,
            reported_quantity=order.reported_quantity,
            traded_quantity=order.traded_quantity,
            opens=order.opens,
        )
    )
    # The order keeps no time per trade. Its newest one errs on the side of keeping an id for longer.
    state.booked_trades.update(dict.fromkeys(order.trade_ids, order.traded_time))
    del state.finished[:-MAX_FINISHED_ORDERS]
    slot.order = None
    slot.cycle += 1


def retire_cycle(state: GridState, parts: OrderIdParts) -> None:
    """Advance the cycles past that of an unknown order, so that its id is not given to another order."""
    if parts.generation != state.generation:
        return
    state.next_cycle = max(state.next_cycle, parts.cycle + 1)
    slot = state.slots.get(parts.level)
    if slot is not None:
        slot.cycle = max(slot.cycle, parts.cycle + (slot.order is None))


def drop_idle_slots(state: GridState) -> None:
    """Drop slots outside the window that hold nothing and wait for nothing; sort the others by level."""
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
