"""What became of our orders, as the venue tells it: the only thing that ends one.

Reports and trades may come twice, late, or out of order. A network error is no evidence and never comes here.
Each function tells whether its input changed or said anything.
"""

from engine.core.guards.latency import note_acceptance
from engine.core.orders.accounting import book
from engine.core.orders.rejections import after_end
from engine.core.orders.slots import (
    Progress,
    advance,
    find_finished,
    find_slot,
    finish_order,
    is_forgotten,
    name_of,
    note_answer,
    raise_checksum,
    retire_cycle,
    slot_at,
)
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.engine.journal import LateTrade
from schemas.grid.state import FinishedOrder, Slot, SlotOrder
from schemas.venue.orders import (
    CancelRejected,
    OrderReport,
    OrderStatus,
    QueryOrder,
    RejectReason,
    Trade,
)


def on_report(draft: Draft, report: OrderReport) -> bool:
    """Take what the venue said of an order. Its quantity is a checksum: nothing is booked from it."""
    state = draft.state
    name = name_of(state, report.client_order_id)
    if name is None:
        return False
    slot = find_slot(state, name, report.client_order_id)
    if slot is None or slot.order is None:
        finished = find_finished(state, report.client_order_id)
        return finished is not None and raise_checksum(finished, report.cumulative_quantity)
    if report.reject_reason is RejectReason.DUPLICATE_ID:
        # An order of this id is there: refused is the second of them, and ours may be the first.
        draft.decide(QueryOrder(client_order_id=report.client_order_id, reason="duplicate id"))
        return True
    raised = raise_checksum(slot.order, report.cumulative_quantity)
    raised |= note_acceptance(state, slot.order, report)
    raised |= note_answer(slot.order)
    if not report.status.is_terminal:
        return advance(slot.order, Progress.ACCEPTED) or raised
    ended = _end(draft, slot, slot.order, report)
    return finish_order(state, slot) or ended or raised


def on_trade(draft: Draft, trade: Trade) -> bool:
    """Book an own trade, once. One of an order that is not known any more is told to people instead."""
    state = draft.state
    name = name_of(state, trade.client_order_id)
    if name is None:
        return False
    slot = find_slot(state, name, trade.client_order_id)
    if slot is not None and slot.order is not None:
        return _trade_of_slot(draft, slot, slot.order, trade)
    finished = find_finished(state, trade.client_order_id)
    if finished is not None:
        return _add_trade(draft, name.level, finished, trade)
    # It may be a repeated one of an order forgotten: booking it could count money twice.
    retire_cycle(state, name)
    detail = (
        f"{trade.side} {trade.quantity} at {trade.price}, trade {trade.trade_id} of {trade.client_order_id}"
    )
    draft.alert(Severity.HIGH, "late_trade_unknown_order", f"not booked: {detail}")
    return True


def on_late_trade(draft: Draft, late: LateTrade) -> bool:
    """Book a trade of an order that is not known any more: nobody did, as it was never told before."""
    state, trade = draft.state, late.trade
    name = name_of(state, trade.client_order_id)
    if name is None or not is_forgotten(state, trade.client_order_id):
        return on_trade(draft, trade)
    retire_cycle(state, name)
    book(draft, slot_at(state, name.level), trade)
    draft.alert(Severity.MEDIUM, "late_trade_booked", f"trade {trade.trade_id} of {trade.client_order_id}")
    return True


def on_cancel_rejected(draft: Draft, rejected: CancelRejected) -> bool:
    """Ask what became of an order that could not be canceled: that alone does not end it."""
    name = name_of(draft.state, rejected.client_order_id)
    if name is None:
        return False
    slot = find_slot(draft.state, name, rejected.client_order_id)
    if slot is None or slot.order is None or slot.order.ended is not None:
        return False
    draft.decide(QueryOrder(client_order_id=rejected.client_order_id, reason="cancel rejected"))
    return True


def _end(draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport) -> bool:
    if order.ended is not None:
        return False
    order.ended = report.status
    after_end(draft, slot, order, report)
    return True


def _trade_of_slot(draft: Draft, slot: Slot, order: SlotOrder, trade: Trade) -> bool:
    if not _add_trade(draft, slot.level, order, trade):
        return False
    advance(order, Progress.ACCEPTED)
    order.traded_time = max(order.traded_time, trade.time)
    slot.rejections = 0
    if order.ended is None and order.traded_quantity >= order.quantity:
        order.ended = OrderStatus.FILLED
    finish_order(draft.state, slot)
    return True


def _add_trade(draft: Draft, level: int, order: SlotOrder | FinishedOrder, trade: Trade) -> bool:
    if trade.trade_id in order.trade_ids:
        return False
    order.trade_ids.append(trade.trade_id)
    order.traded_quantity += trade.quantity
    book(draft, slot_at(draft.state, level), trade)
    return True
