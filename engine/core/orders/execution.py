"""Apply order reports, trades and cancel rejections from the venue. Only reports and trades end an order.

Reports and trades may arrive twice, late or out of order. A network error is not evidence and never becomes an input.
"""

from engine.core.decisions import query
from engine.core.guards.latency import note_acceptance
from engine.core.orders.accounting import book
from engine.core.orders.rejections import on_order_ended
from engine.core.orders.slots import (
    Progress,
    advance,
    clear_query,
    find_finished,
    find_slot,
    finish_order,
    is_forgotten,
    own_id_parts,
    record_reported_quantity,
    retire_cycle,
    slot_at,
)
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.engine.journal import LateTrade
from schemas.grid.state import FinishedOrder, Slot, SlotOrder
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.orders import (
    CancelRejected,
    OrderReport,
    OrderStatus,
    RejectReason,
    Trade,
)


def on_report(draft: Draft, report: OrderReport) -> None:
    """Apply an order report. Its cumulative quantity only serves to notice missing trades: it is not booked."""
    state = draft.state
    parts = own_id_parts(state, report.client_order_id)
    if parts is None:
        return
    slot = find_slot(state, parts, report.client_order_id)
    if slot is None or slot.order is None:
        finished = find_finished(state, report.client_order_id)
        if finished is not None:
            record_reported_quantity(draft, finished, report.cumulative_quantity)
        return
    if report.reject_reason is RejectReason.DUPLICATE_ID:
        # The venue has an order with this id. It rejected the second one sent, so the first may be live.
        draft.decide(query(report.client_order_id, DecisionReason.DUPLICATE_ID))
        return
    record_reported_quantity(draft, slot.order, report.cumulative_quantity)
    note_acceptance(draft, slot.order, report)
    clear_query(draft, slot.order)
    if report.status.is_terminal:
        _end(draft, slot, slot.order, report)
        finish_order(draft, slot)
    else:
        advance(draft, slot.order, Progress.ACCEPTED)


def on_trade(draft: Draft, trade: Trade) -> None:
    """Book an own trade, once. A trade of a forgotten order is not booked but raised as an alert."""
    state = draft.state
    parts = own_id_parts(state, trade.client_order_id)
    if parts is None:
        return
    slot = find_slot(state, parts, trade.client_order_id)
    if slot is not None and slot.order is not None:
        _trade_of_slot(draft, slot, slot.order, trade)
        return
    finished = find_finished(state, trade.client_order_id)
    if finished is not None:
        _add_trade(draft, parts.level, finished, trade)
        return
    # It may repeat a trade booked before its order was forgotten: booking it could count money twice.
    retire_cycle(state, parts)
    detail = (
        f"{trade.side} {trade.quantity} at {trade.price}, trade {trade.trade_id} of {trade.client_order_id}"
    )
    draft.alert(Severity.HIGH, "late_trade_unknown_order", f"not booked: {detail}")


def on_late_trade(draft: Draft, late: LateTrade) -> None:
    """Book a trade of a forgotten order: ORDERS has it only once, so it was never booked."""
    state, trade = draft.state, late.trade
    parts = own_id_parts(state, trade.client_order_id)
    if parts is None or not is_forgotten(state, trade.client_order_id):
        on_trade(draft, trade)
        return
    retire_cycle(state, parts)
    book(draft, slot_at(state, parts.level), trade)
    draft.alert(Severity.MEDIUM, "late_trade_booked", f"trade {trade.trade_id} of {trade.client_order_id}")


def on_cancel_rejected(draft: Draft, rejected: CancelRejected) -> None:
    """Query an order whose cancel was rejected: the rejection alone does not end it."""
    parts = own_id_parts(draft.state, rejected.client_order_id)
    if parts is None:
        return
    slot = find_slot(draft.state, parts, rejected.client_order_id)
    if slot is None or slot.order is None or slot.order.ended is not None:
        return
    draft.decide(query(rejected.client_order_id, DecisionReason.CANCEL_REJECTED))


def _end(draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport) -> None:
    if order.ended is None:
        draft.touch()
        order.ended = report.status
        on_order_ended(draft, slot, order, report)


def _trade_of_slot(draft: Draft, slot: Slot, order: SlotOrder, trade: Trade) -> None:
    if not _add_trade(draft, slot.level, order, trade):
        return
    advance(draft, order, Progress.ACCEPTED)
    order.traded_time = max(order.traded_time, trade.time)
    slot.rejections = 0
    if order.ended is None and order.traded_quantity >= order.quantity:
        order.ended = OrderStatus.FILLED
    finish_order(draft, slot)


def _add_trade(draft: Draft, level: int, order: SlotOrder | FinishedOrder, trade: Trade) -> bool:
    """Book a trade of an order, and return whether it is new."""
    if trade.trade_id in order.trade_ids:
        return False
    order.trade_ids.append(trade.trade_id)
    order.traded_quantity += trade.quantity
    book(draft, slot_at(draft.state, level), trade)
    return True
