"""Resynchronization: when records on the bus were lost or restored, the venue is asked for orders and trades.

Until the answer was applied no order is placed; cancels are decided as usual. The answer is a sweep of the account publisher
that stored all own trades since the mark of booked trades again. If ids of the present generation may be in use unknown
here, new orders get ids of a new generation, and the open orders of older generations are canceled.
"""

import msgspec

from engine.core.decisions import cancel
from engine.core.orders.slots import Progress, advance, is_working, own_id_parts
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.engine.journal import ResyncRequired
from schemas.grid.state import Resync, SlotOrder
from schemas.venue.account import OpenOrders
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.order_ids import OrderIdParts
from schemas.venue.orders import Trade


def on_required(draft: Draft, event: ResyncRequired) -> None:
    """Start a resynchronization, or extend the one that is pending."""
    draft.touch()
    state, pending = draft.state, draft.state.resync
    state.restore_id = event.restore_id or state.restore_id
    state.resync = Resync(
        request_id=event.request_id,
        reason=event.reason,
        raises_generation=event.raises_generation or (pending is not None and pending.raises_generation),
        generation=max(state.generation, event.generation, 0 if pending is None else pending.generation),
        started_time=event.time,
        unknown_trades=0 if pending is None else pending.unknown_trades,
    )
    if pending is None:
        draft.alert(Severity.HIGH, "resync_started", event.reason)


def note_generation(draft: Draft, parts: OrderIdParts) -> None:
    """Record the generation of an own order id seen while a resynchronization is pending."""
    resync = draft.state.resync
    if resync is not None and parts.generation > resync.generation:
        draft.touch()
        draft.state.resync = msgspec.structs.replace(resync, generation=parts.generation)


def note_unknown_trade(draft: Draft, trade: Trade) -> None:
    """Record that a trade of an order unknown here was booked: with an alert, or at the end of a resynchronization."""
    resync = draft.state.resync
    if resync is None:
        draft.alert(
            Severity.MEDIUM, "late_trade_booked", f"trade {trade.trade_id} of {trade.client_order_id}"
        )
    else:
        draft.touch()
        draft.state.resync = msgspec.structs.replace(resync, unknown_trades=resync.unknown_trades + 1)


def on_sweep(draft: Draft, sweep: OpenOrders) -> None:
    """End the resynchronization if a sweep answers it; to be called before the sweep's orders are compared."""
    state, resync = draft.state, draft.state.resync
    if resync is None or resync.request_id not in sweep.answers:
        return
    for found in sweep.orders:
        if (parts := own_id_parts(state, found.client_order_id)) is not None:
            note_generation(draft, parts)
    draft.touch()
    resync, state.resync = state.resync, None
    assert resync is not None
    if sweep.trades_since is not None:
        state.resynced_from, state.resynced_through = sweep.trades_since, sweep.complete_through
    if resync.raises_generation:
        state.generation = resync.generation + 1
    at_venue = {each.client_order_id for each in sweep.orders}
    for level in sorted(state.slots):
        order = state.slots[level].order
        if order is None or order.ended is not None:
            continue
        if order.client_order_id not in at_venue:
            order.unconfirmed_passes = 1  # the comparison with this sweep queries it at once
        elif resync.raises_generation and is_working(order):
            _cancel(draft, order)
    generation = f", new order ids have generation {state.generation}" if resync.raises_generation else ""
    trades = (
        f", {resync.unknown_trades} trades of unknown orders were booked" if resync.unknown_trades else ""
    )
    draft.alert(
        Severity.LOW, "resync_ended", f"orders and trades were read from the venue{trades}{generation}"
    )


def _cancel(draft: Draft, order: SlotOrder) -> None:
    advance(draft, order, Progress.CANCEL_DECIDED)
    draft.decide(cancel(order.client_order_id, DecisionReason.OLDER_GENERATION))
