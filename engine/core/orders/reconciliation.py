"""Reconcile our orders with a sweep, the periodic query of the venue's open orders: query, adopt or cancel what differs.

A sweep may be older than what is known by now, so it never ends an order: the venue is queried instead. A difference that a
request or a cancel in flight explains is acted on at the second sweep that shows it. A query without an answer is repeated
after `QUERY_INTERVAL_NS` at the earliest, because the gateway retries it by itself. Orders of others are ignored.
"""

from engine.core.decisions import cancel, figures, query
from engine.core.guards.circuit_breaker import trip
from engine.core.orders.booked_trades import is_first_alert
from engine.core.orders.refused_cancels import forget_ended
from engine.core.orders.slots import (
    Progress,
    advance,
    clear_query,
    find_finished,
    find_slot,
    has_all_trades,
    open_order,
    own_id_parts,
    record_reported_quantity,
    retire_cycle,
    slot_at,
)
from engine.core.step import Draft
from schemas.engine.events import ReconciliationFinding, Severity
from schemas.grid.state import FinishedOrder, SlotOrder, SlotOrderState
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, TimeNs
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.order_ids import OrderIdParts

QUERY_INTERVAL_NS: DurationNs = 10 * SECOND_NS
"""Minimum time between two queries of an order, unless the first was answered."""


def on_open_orders(draft: Draft, sweep: OpenOrders) -> None:
    """Reconcile the orders of slots, finished orders, and orders unknown here with a sweep."""
    state = draft.state
    at_venue = {each.client_order_id: each for each in sweep.orders}
    forget_ended(draft, at_venue.keys())
    for level in sorted(state.slots):
        order = state.slots[level].order
        if order is not None:
            _compare(draft, order, at_venue.get(order.client_order_id), sweep.time)
    _report_missing(draft)
    for finished in state.finished:
        _compare_finished(draft, finished, at_venue.get(finished.client_order_id), sweep.time)
    for each in sweep.orders:
        parts = own_id_parts(state, each.client_order_id)
        if parts is not None and not _is_known(draft, parts, each.client_order_id):
            _adopt_or_cancel(draft, parts, each, sweep.time)


def _compare(draft: Draft, order: SlotOrder, found: OpenOrder | None, now: TimeNs) -> None:
    if found is not None:
        record_reported_quantity(draft, order, found.cumulative_quantity)
        if order.ended is None:
            _confirm(draft, order)
        clear_query(draft, order)
    elif order.ended is None:
        _miss(draft, order, now)
    _query_trades(draft, order, now)


def _confirm(draft: Draft, order: SlotOrder) -> None:
    if order.state is not SlotOrderState.CANCEL_REQUESTED:
        advance(draft, order, Progress.ACCEPTED)
    elif _is_second_pass(draft, order) and order.client_order_id not in draft.state.refused_cancels:
        draft.decide(cancel(order.client_order_id, DecisionReason.STILL_OPEN))


def _miss(draft: Draft, order: SlotOrder, now: TimeNs) -> None:
    if order.state is SlotOrderState.REQUESTED and not _is_second_pass(draft, order):
        return
    was_queried = order.asked_time > 0
    if not _start_query(draft, order, now):
        return
    draft.decide(query(order.client_order_id, DecisionReason.MISSING_THERE))
    draft.missing.append(order.client_order_id)
    if was_queried:
        draft.unanswered.append(order.client_order_id)


def _report_missing(draft: Draft) -> None:
    """Report the missing orders of which an earlier query is unanswered, as one finding.

    A first query is not reported: the report of a fill or cancel may be on its way while the sweep is taken.
    """
    number = len(draft.unanswered)
    if number:
        action = (
            "queried again" if number == 1 else f"{number} orders are missing at the venue: queried again"
        )
        draft.reconciled(ReconciliationFinding.MISSING_THERE, draft.unanswered[0], action)


def _compare_finished(draft: Draft, finished: FinishedOrder, found: OpenOrder | None, now: TimeNs) -> None:
    if found is not None:
        record_reported_quantity(draft, finished, found.cumulative_quantity)
        if _is_second_pass(draft, finished):
            _cancel_unknown(draft, finished.client_order_id, DecisionReason.UNKNOWN_HERE)
    _query_trades(draft, finished, now)


def _is_second_pass(draft: Draft, order: SlotOrder | FinishedOrder) -> bool:
    """Return whether an earlier sweep did not confirm the order either, and record that this one does not."""
    if order.unconfirmed_passes:
        return True
    draft.touch()
    order.unconfirmed_passes = 1
    return False


def _query_trades(draft: Draft, order: SlotOrder | FinishedOrder, now: TimeNs) -> None:
    if has_all_trades(order) or not _start_query(draft, order, now):
        return
    found = figures(reported_base=order.reported_quantity, traded_base=order.traded_quantity)
    draft.decide(query(order.client_order_id, DecisionReason.TRADES_MISSING, found))
    draft.reconciled(ReconciliationFinding.TRADES_MISSING, order.client_order_id, "queried")


def _start_query(draft: Draft, order: SlotOrder | FinishedOrder, now: TimeNs) -> bool:
    """Return whether a query of an order is due; if so, record its time."""
    if order.asked_time and now < order.asked_time + QUERY_INTERVAL_NS:
        return False
    draft.touch()
    order.asked_time = now
    return True


def _is_known(draft: Draft, parts: OrderIdParts, client_order_id: ClientOrderId) -> bool:
    state = draft.state
    return (
        find_slot(state, parts, client_order_id) is not None
        or find_finished(state, client_order_id) is not None
    )


def _adopt_or_cancel(draft: Draft, parts: OrderIdParts, found: OpenOrder, now: TimeNs) -> None:
    state = draft.state
    if parts.generation > state.generation:
        _note_newer(draft, parts, found)
        return
    if parts.generation != state.generation or not _is_next_of_free_slot(draft, parts):
        retire_cycle(state, parts)
        is_older = parts.generation < state.generation
        reason = DecisionReason.OLDER_GENERATION if is_older else DecisionReason.UNKNOWN_HERE
        _cancel_unknown(draft, found.client_order_id, reason)
        return
    slot = slot_at(state, parts.level)
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
    _query_trades(draft, order, now)


def _note_newer(draft: Draft, parts: OrderIdParts, found: OpenOrder) -> None:
    """Leave an order of a newer generation alone: another installation with the same instance may have placed it.

    The preflight of a new grid refuses to start then, and a grid that runs opens nothing more.
    """
    state, number = draft.state, parts.generation
    if state.startup is not None and number > state.startup.newer_generation:
        draft.touch()
        state.startup.newer_generation = number
    if not is_first_alert(state, found.client_order_id):
        return
    text = f"order {found.client_order_id} is of generation {number}, this grid has {state.generation}"
    draft.alert(Severity.HIGH, "newer_generation", f"{text}: it is left alone")
    if state.startup is None:
        trip(draft, text, figures(generation=state.generation, newer_generation=number))


def _is_next_of_free_slot(draft: Draft, parts: OrderIdParts) -> bool:
    slot = draft.state.slots.get(parts.level)
    if slot is None:
        return parts.cycle == draft.state.next_cycle
    return slot.order is None and parts.cycle == slot.cycle


def _cancel_unknown(draft: Draft, client_order_id: ClientOrderId, reason: DecisionReason) -> None:
    if client_order_id in draft.state.refused_cancels:
        return  # `refused_cancels` repeats it, after a pause
    draft.decide(cancel(client_order_id, reason))
    draft.reconciled(ReconciliationFinding.UNKNOWN_HERE, client_order_id, "canceled")
