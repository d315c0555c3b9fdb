"""A sweep of the venue's open orders against ours: what differs is asked for, adopted or canceled, and told.

A sweep may be older than what we know by now, so nothing ends an order here: the venue is asked for it. What a cancel or a
request on its way explains is acted on at the second pass only. Who was asked and has not answered is not asked again by
the next sweep: the gateway goes on asking by itself. The orders of others are never touched.
"""

from engine.core.orders.slots import (
    Progress,
    advance,
    find_finished,
    find_slot,
    has_all_trades,
    name_of,
    note_answer,
    open_order,
    raise_checksum,
    retire_cycle,
    slot_at,
)
from engine.core.step import Draft
from schemas.engine.events import ReconciliationFinding
from schemas.grid.state import FinishedOrder, SlotOrder, SlotOrderState
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, TimeNs
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.order_ids import OrderName
from schemas.venue.orders import CancelOrder, QueryOrder

ASK_AGAIN: DurationNs = 10 * SECOND_NS
"""How long an answer is waited for before an order is asked for once more."""


def on_open_orders(draft: Draft, sweep: OpenOrders) -> bool:
    """Reconcile with a sweep, and tell whether that changed or said anything."""
    state = draft.state
    there = {each.client_order_id: each for each in sweep.orders}
    changed = False
    for level in sorted(state.slots):
        order = state.slots[level].order
        if order is not None:
            changed |= _compare(draft, order, there.get(order.client_order_id), sweep.time)
    for finished in state.finished:
        changed |= _compare_finished(draft, finished, there.get(finished.client_order_id), sweep.time)
    for each in sweep.orders:
        name = name_of(state, each.client_order_id)
        if name is not None and not _is_known(draft, name, each.client_order_id):
            _take_in(draft, name, each, sweep.time)
            changed = True
    return changed


def _compare(draft: Draft, order: SlotOrder, found: OpenOrder | None, now: TimeNs) -> bool:
    changed = False
    if found is not None:
        changed = raise_checksum(order, found.cumulative_quantity)
        if order.ended is None:
            changed |= _bear_out(draft, order)
        changed |= note_answer(order)
    elif order.ended is None:
        changed = _miss(draft, order, now)
    return _ask_for_trades(draft, order, now) or changed


def _bear_out(draft: Draft, order: SlotOrder) -> bool:
    if order.state is not SlotOrderState.CANCEL_REQUESTED:
        return advance(order, Progress.ACCEPTED)
    if not _is_second_pass(order):
        return True
    draft.decide(CancelOrder(client_order_id=order.client_order_id, reason="still open"))
    return True


def _miss(draft: Draft, order: SlotOrder, now: TimeNs) -> bool:
    if order.state is SlotOrderState.REQUESTED and not _is_second_pass(order):
        return True
    if not _may_ask(order, now):
        return False
    draft.decide(QueryOrder(client_order_id=order.client_order_id, reason="missing there"))
    draft.reconciled(ReconciliationFinding.MISSING_THERE, order.client_order_id, "asked what became of it")
    return True


def _compare_finished(draft: Draft, finished: FinishedOrder, found: OpenOrder | None, now: TimeNs) -> bool:
    changed = False
    if found is not None:
        raise_checksum(finished, found.cumulative_quantity)
        changed = True
        if _is_second_pass(finished):
            _cancel_unknown(draft, finished.client_order_id)
    return _ask_for_trades(draft, finished, now) or changed


def _is_second_pass(order: SlotOrder | FinishedOrder) -> bool:
    if order.unconfirmed_passes:
        return True
    order.unconfirmed_passes = 1
    return False


def _ask_for_trades(draft: Draft, order: SlotOrder | FinishedOrder, now: TimeNs) -> bool:
    if has_all_trades(order) or not _may_ask(order, now):
        return False
    draft.decide(QueryOrder(client_order_id=order.client_order_id, reason="trades missing"))
    draft.reconciled(ReconciliationFinding.TRADES_MISSING, order.client_order_id, "asked for them")
    return True


def _may_ask(order: SlotOrder | FinishedOrder, now: TimeNs) -> bool:
    if order.asked_time and now < order.asked_time + ASK_AGAIN:
        return False
    order.asked_time = now
    return True


def _is_known(draft: Draft, name: OrderName, client_order_id: ClientOrderId) -> bool:
    state = draft.state
    return (
        find_slot(state, name, client_order_id) is not None
        or find_finished(state, client_order_id) is not None
    )


def _take_in(draft: Draft, name: OrderName, found: OpenOrder, now: TimeNs) -> None:
    state = draft.state
    if name.generation != state.generation or not _is_next_of_free_slot(draft, name):
        retire_cycle(state, name)
        _cancel_unknown(draft, found.client_order_id)
        return
    slot = slot_at(state, name.level)
    order = SlotOrder(
        client_order_id=found.client_order_id,
        side=found.side,
        price=found.price,
        quantity=found.quantity,
        opens=slot.held * found.side.sign >= 0,
        state=SlotOrderState.OPEN,
        reported_quantity=found.cumulative_quantity,
    )
    open_order(state, slot, order)
    draft.reconciled(ReconciliationFinding.UNKNOWN_HERE, found.client_order_id, "adopted")
    _ask_for_trades(draft, order, now)


def _is_next_of_free_slot(draft: Draft, name: OrderName) -> bool:
    slot = draft.state.slots.get(name.level)
    if slot is None:
        return name.cycle == draft.state.next_cycle
    return slot.order is None and name.cycle == slot.cycle


def _cancel_unknown(draft: Draft, client_order_id: ClientOrderId) -> None:
    draft.decide(CancelOrder(client_order_id=client_order_id, reason="unknown here"))
    draft.reconciled(ReconciliationFinding.UNKNOWN_HERE, client_order_id, "canceled")
