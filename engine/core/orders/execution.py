"""Apply order reports, trades and cancel rejections from the venue. Only reports and trades end an order.

Reports and trades may arrive twice, late or out of order. A network error is not evidence and never becomes an input.
"""

from engine.core.decisions import query
from engine.core.guards import margin_lock
from engine.core.guards.latency import note_acceptance
from engine.core.orders.accounting import book
from engine.core.orders.booked_trades import (
    alert_not_booked,
    contradicts,
    is_booked,
    is_foreign_or_old,
    remember,
    was_resynchronized,
)
from engine.core.orders.corrections import remember_foreign, remember_unbooked
from engine.core.orders.refused_cancels import note_refusal
from engine.core.orders.rejections import on_order_ended
from engine.core.orders.resync import note_generation, note_unknown_trade
from engine.core.orders.slots import (
    Progress,
    advance,
    clear_query,
    find_finished,
    find_slot,
    finish_order,
    own_id_parts,
    record_reported_quantity,
    retire_cycle,
    slot_at,
)
from engine.core.step import Draft
from schemas.grid.settings import GridMode
from schemas.grid.state import Slot, SlotOrder
from schemas.units import Side
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.order_ids import OrderIdParts
from schemas.venue.orders import CancelRejected, OrderReport, OrderStatus, RejectReason, Trade


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
        if slot.order.opens:
            margin_lock.note_accepted(draft, slot.order.side)


def on_trade(draft: Draft, trade: Trade) -> None:
    """Book an own trade, once: see `booked_trades`. One of an order unknown here is booked at the level in the id.

    One that contradicts its order is not booked: it is reported, and the position check decides.
    """
    state = draft.state
    parts = own_id_parts(state, trade.client_order_id)
    if parts is None:
        remember_foreign(draft, trade)
        return
    note_generation(draft, parts)
    slot = find_slot(state, parts, trade.client_order_id)
    order = None if slot is None else slot.order
    if is_booked(state, order, trade) or (order is None and was_resynchronized(state, trade)):
        return
    if slot is not None and order is not None and not contradicts(order, trade):
        _book_of_slot(draft, slot, order, trade)
    elif order is not None or is_foreign_or_old(state, parts, trade):
        if trade.trade_id not in state.alerted_ids:
            remember_unbooked(draft, trade)
        alert_not_booked(draft, trade)
    else:
        _book_late(draft, parts, trade)


def on_cancel_rejected(draft: Draft, rejected: CancelRejected) -> None:
    """Query an order whose cancel was rejected: the rejection alone does not end it. The next cancel waits."""
    parts = own_id_parts(draft.state, rejected.client_order_id)
    if parts is None:
        return
    slot = find_slot(draft.state, parts, rejected.client_order_id)
    if slot is None or slot.order is None:
        if find_finished(draft.state, rejected.client_order_id) is None:
            note_refusal(draft, rejected.client_order_id)  # a sweep lists it still
        return
    if slot.order.ended is not None:
        return
    note_refusal(draft, rejected.client_order_id)
    draft.decide(query(rejected.client_order_id, DecisionReason.CANCEL_REJECTED))


def _end(draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport) -> None:
    if order.ended is None:
        draft.touch()
        order.ended = draft.ended[order.client_order_id] = report.status
        draft.state.refused_cancels.pop(order.client_order_id, None)
        on_order_ended(draft, slot, order, report)


def _book_of_slot(draft: Draft, slot: Slot, order: SlotOrder, trade: Trade) -> None:
    order.trade_ids.append(trade.trade_id)
    order.traded_quantity += trade.quantity
    book(draft, slot, trade, opens=order.opens)
    advance(draft, order, Progress.ACCEPTED)
    order.traded_time = max(order.traded_time, trade.time)
    slot.rejections = 0
    if order.ended is None and order.traded_quantity >= order.quantity:
        order.ended = draft.ended[order.client_order_id] = OrderStatus.FILLED
    finish_order(draft, slot)


def _book_late(draft: Draft, parts: OrderIdParts, trade: Trade) -> None:
    """Book a trade of an order that has finished or is unknown here."""
    state = draft.state
    remember(state, trade)
    finished = find_finished(state, trade.client_order_id)
    if finished is not None:
        finished.traded_quantity += trade.quantity
    else:
        retire_cycle(state, parts)
        note_unknown_trade(draft, trade)
    # In mode long every sell closes, whatever is known of its order.
    is_sale = trade.side is Side.SELL and state.settings.mode is GridMode.LONG
    opens = not is_sale if finished is None else finished.opens
    book(draft, slot_at(state, parts.level), trade, opens=opens)
