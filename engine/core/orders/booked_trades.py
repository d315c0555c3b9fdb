"""The mark of booked trades: each own trade is booked once, however often and however late it is read.

Up to the mark every own trade is booked, or is not the grid's. The ids of booked trades newer than the mark less an overlap
are kept: those of an unfinished order with the order, all others in the state. So an unknown trade that is newer was never
booked, while an unknown trade that is older may have been.
"""

from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.formats import TRADE_OVERLAP_NS
from schemas.grid.state import GridState, SlotOrder
from schemas.units import TimeNs, TradeId
from schemas.venue.account import OpenOrders
from schemas.venue.order_ids import OrderIdParts
from schemas.venue.orders import Trade

MAX_ALERTED_IDS = 64


def is_booked(state: GridState, order: SlotOrder | None, trade: Trade) -> bool:
    """Return whether a trade of an order, None if it is unknown here, is known to be booked."""
    return trade.trade_id in state.booked_trades or (order is not None and trade.trade_id in order.trade_ids)


def was_resynchronized(state: GridState, trade: Trade) -> bool:
    """Return whether a trade older than the mark was read, and so booked, by the newest resynchronization."""
    is_covered = state.resynced_from <= trade.time <= state.resynced_through
    return is_covered and trade.time <= state.booked_through - TRADE_OVERLAP_NS


def is_foreign_or_old(state: GridState, parts: OrderIdParts, trade: Trade) -> bool:
    """Return whether an unknown trade must not be booked.

    It may have been booked before, it is from before the grid's start, or its order is of a newer generation (another grid).
    """
    is_newer_generation = parts.generation > state.generation and state.resync is None
    is_old = trade.time <= state.booked_through - TRADE_OVERLAP_NS or trade.time < state.accounts.first_time
    return is_old or is_newer_generation


def contradicts(order: SlotOrder, trade: Trade) -> bool:
    """Return whether a trade cannot be of the order with its id: another side, more than is left, or long before it."""
    is_too_much = order.traded_quantity + trade.quantity > order.quantity
    is_too_old = trade.time < order.decided_time - TRADE_OVERLAP_NS
    return trade.side is not order.side or is_too_much or is_too_old


def remember(state: GridState, trade: Trade) -> None:
    """Keep the id of a booked trade whose order has finished."""
    state.booked_trades[trade.trade_id] = trade.time


def alert_not_booked(draft: Draft, trade: Trade) -> None:
    """Raise an alert about a trade that is not booked, once for each trade."""
    if not is_first_alert(draft.state, trade.trade_id):
        return
    detail = (
        f"{trade.side} {trade.quantity} at {trade.price}, trade {trade.trade_id} of {trade.client_order_id}"
    )
    draft.alert(
        Severity.HIGH,
        "late_trade_unknown_order",
        "not booked, because it contradicts its order, is older than the mark of booked trades or not of this grid: "
        f"{detail}",
    )


def is_first_alert(state: GridState, record_id: str) -> bool:
    """Return whether no alert was raised yet about a trade or payment that is not booked, and remember that one is now."""
    if record_id in state.alerted_ids:
        return False
    state.alerted_ids.append(record_id)
    del state.alerted_ids[:-MAX_ALERTED_IDS]
    return True


def advance_mark(draft: Draft, sweep: OpenOrders) -> None:
    """Move the mark to the time through which a sweep is complete, but not past the decision of an unfinished order.

    The sweep's trades are applied before it. The mark moves only when ids can be dropped thereby, so that an account without
    trades makes no steps.
    """
    state = draft.state
    unfinished = [slot.order.decided_time for slot in state.slots.values() if slot.order is not None]
    mark = min([sweep.complete_through, *unfinished])
    if mark <= state.booked_through or not _older(state, mark):
        return
    draft.touch()
    state.booked_through = mark
    for trade_id in _older(state, mark):
        del state.booked_trades[trade_id]


def _older(state: GridState, mark: TimeNs) -> list[TradeId]:
    return [key for key, time in state.booked_trades.items() if time <= mark - TRADE_OVERLAP_NS]
