"""Rejections: how long a slot, or the opening orders of a side, pause after an order failed."""

from typing import assert_never

from engine.core.guards import margin_lock
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.state import Slot, SlotOrder, SlotOrderState
from schemas.units import SECOND_NS, DurationNs
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason

RETRY_PAUSE_NS: DurationNs = SECOND_NS
"""Pause of a slot after a failure that may be retried, so that it is not retried at every tick. Where the failure may
last, as while the venue is overloaded or a clock is wrong, each further one in a row doubles it."""
MAX_RETRY_DOUBLINGS = 4
"""After so many the pause stays the same: 16 s."""

MAX_FLATTEN_PAUSE_NS: DurationNs = 2 * SECOND_NS
"""Longest pause of a slot while the position is being flattened."""

MIN_CLOSING_PAUSE_NS: DurationNs = 2 * SECOND_NS
"""Pause of a slot whose closing order could not be paid for or had nothing to reduce; doubled by each further one."""
MAX_CLOSING_PAUSE_NS: DurationNs = 60 * SECOND_NS

REFUSALS_BEFORE_ALERT = 5
"""Consecutive orders of a flattening that the venue refused: 30 s after the first."""

MIN_EXPOSURE_PAUSE_NS: DurationNs = 10 * SECOND_NS
"""Pause of a slot after a rejection by the exposure limit; doubled by each further one in a row."""
MAX_EXPOSURE_DOUBLINGS = 4
"""After so many the pause stays the same: 160 s."""


def on_order_ended(draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport) -> None:
    """Pause the slot if an order failed; for a balance that is missing, also add no opening orders to its side.

    An order that was filled, or canceled on our request, causes no pause.
    """
    times, slot.limited_times, slot.is_limited = slot.limited_times, 0, False
    if not _is_flattening_refused(draft, order, report):
        _pause_slot(draft, slot, order, report, times)


def _pause_slot(draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport, times: int) -> None:
    is_canceled = report.status in {OrderStatus.CANCELED, OrderStatus.EXPIRED}
    is_requested = is_canceled and order.state is SlotOrderState.CANCEL_REQUESTED
    is_withdrawn = report.reject_reason is RejectReason.WITHDRAWN
    if is_requested or is_withdrawn or report.status is OrderStatus.FILLED:
        slot.rejections = 0
        return
    match report.reject_reason:
        case RejectReason.POST_ONLY_WOULD_CROSS:
            _on_crossing(draft, slot)
        case RejectReason.INSUFFICIENT_MARGIN:
            _on_insufficient_balance(draft, slot, order, report, times)
        case (
            RejectReason.RATE_LIMITED
            | RejectReason.TOO_LATE
            | RejectReason.NOT_FOUND
            | RejectReason.ENGINE_SILENT
            | RejectReason.RECORDS_LOST
            | RejectReason.WITHDRAWN
        ):
            slot.limited_times = times + 1
            _pause(draft, slot, RETRY_PAUSE_NS * 2 ** min(times, MAX_RETRY_DOUBLINGS))
        case RejectReason.NOT_TRADING:
            # Not an alert for each order: the changed instrument reports the halt once.
            _pause(draft, slot, draft.state.settings.rejection_cool_down)
        case RejectReason.REDUCE_ONLY:
            _on_reduce_only(draft, slot, report)
        case RejectReason.EXPOSURE_LIMIT | RejectReason.MAX_POSITION:
            slot.is_limited, slot.limited_times = True, times + 1
            _pause(draft, slot, MIN_EXPOSURE_PAUSE_NS * 2 ** min(times, MAX_EXPOSURE_DOUBLINGS))
        case None:
            _on_end_without_reason(draft, slot, order, report)
        case (
            RejectReason.MINIMUM_NOTIONAL
            | RejectReason.PRECISION
            | RejectReason.DUPLICATE_ID
            | RejectReason.UNKNOWN_SYMBOL
            | RejectReason.ABOVE_MAXIMUM
            | RejectReason.PRICE_BAND
            | RejectReason.POSITION_LIMIT
            | RejectReason.OTHER
        ):
            _on_final_rejection(draft, slot, report)
        case _:
            assert_never(report.reject_reason)


def _is_flattening_refused(draft: Draft, order: SlotOrder, report: OrderReport) -> bool:
    """Return whether the venue refused an order of a flattening; if so, the flattening pauses, whatever slot comes next."""
    halt = draft.state.halt
    if halt is None or not halt.flattens or order.opens:
        return False
    if report.status is OrderStatus.FILLED:
        halt.refusals = 0
    if report.status is not OrderStatus.REJECTED:
        return False
    pause = min(MIN_CLOSING_PAUSE_NS * 2 ** min(halt.refusals, 5), MAX_CLOSING_PAUSE_NS)
    halt.refusals, halt.retry_time = halt.refusals + 1, draft.time + pause
    if halt.refusals == REFUSALS_BEFORE_ALERT:
        reason = report.reject_reason or report.status
        draft.alert(Severity.MEDIUM, "order_refused", f"flattening: {reason}: {report.detail}")
    return True


def _on_insufficient_balance(
    draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport, times: int
) -> None:
    if order.opens:
        margin_lock.lock(draft, order.side, report.detail)
        _pause(draft, slot, RETRY_PAUSE_NS)
    else:
        _rest_closing(draft, slot, times)


def _rest_closing(draft: Draft, slot: Slot, times: int) -> None:
    """Pause a slot for longer each time; the sweep requested meanwhile shows how much can be closed."""
    slot.limited_times = times + 1
    _pause(draft, slot, min(MIN_CLOSING_PAUSE_NS * 2 ** min(times, 5), MAX_CLOSING_PAUSE_NS))


def _on_end_without_reason(draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport) -> None:
    if report.status is OrderStatus.REJECTED:
        _on_final_rejection(draft, slot, report)
    elif order.traded_quantity or order.reported_quantity:
        slot.rejections = 0
    elif report.status is OrderStatus.EXPIRED and order.post_only:
        # Some venues let a post-only order expire that would have crossed, without a reason.
        _on_crossing(draft, slot)
    else:
        _pause(draft, slot, RETRY_PAUSE_NS)


def _on_crossing(draft: Draft, slot: Slot) -> None:
    # With allow_taker, quoting sends a plain limit order after post_only_retries rejections.
    settings = draft.state.settings
    slot.rejections += 1
    if slot.rejections < settings.post_only_retries or settings.allow_taker:
        _pause(draft, slot, RETRY_PAUSE_NS)
    else:
        slot.rejections = 0
        _pause(draft, slot, settings.rejection_cool_down)


def _on_reduce_only(draft: Draft, slot: Slot, report: OrderReport) -> None:
    # A single one is a race with another fill; several in a row mean that there is no position to reduce.
    slot.rejections += 1
    if slot.rejections < draft.state.settings.post_only_retries:
        _pause(draft, slot, RETRY_PAUSE_NS)
        return
    slot.rejections = 0
    _pause(draft, slot, draft.state.settings.rejection_cool_down)
    draft.alert(Severity.MEDIUM, "order_refused", f"{report.client_order_id}: reduce-only: {report.detail}")


def _on_final_rejection(draft: Draft, slot: Slot, report: OrderReport) -> None:
    slot.rejections += 1
    _pause(draft, slot, draft.state.settings.rejection_cool_down)
    reason = report.reject_reason or report.status
    draft.alert(Severity.MEDIUM, "order_refused", f"{report.client_order_id}: {reason}: {report.detail}")


def _pause(draft: Draft, slot: Slot, duration: DurationNs) -> None:
    halt = draft.state.halt
    if halt is not None and halt.flattens:
        duration = min(duration, MAX_FLATTEN_PAUSE_NS)
    slot.quiet_until = max(slot.quiet_until, draft.time + duration)
