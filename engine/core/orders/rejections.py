"""Rejections: how long a slot, or all opening orders of the grid, pause after an order failed."""

from typing import assert_never

from engine.core.decisions import figures, seconds
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

MARGIN_LOCKED = "margin_locked"

MIN_EXPOSURE_PAUSE_NS: DurationNs = 10 * SECOND_NS
"""Pause of a slot after a rejection by the exposure limit; doubled by each further one in a row."""
MAX_EXPOSURE_DOUBLINGS = 4
"""After so many the pause stays the same: 160 s."""


def on_order_ended(draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport) -> None:
    """Pause the slot if an order failed; for missing margin, also lock the opening orders of the whole grid.

    An order that was filled, or canceled on our request, causes no pause.
    """
    times, slot.limited_times, slot.is_limited = slot.limited_times, 0, False
    is_canceled = report.status in {OrderStatus.CANCELED, OrderStatus.EXPIRED}
    is_requested = is_canceled and order.state is SlotOrderState.CANCEL_REQUESTED
    if is_requested or report.status is OrderStatus.FILLED:
        slot.rejections = 0
        return
    match report.reject_reason:
        case RejectReason.POST_ONLY_WOULD_CROSS:
            _on_crossing(draft, slot)
        case RejectReason.INSUFFICIENT_MARGIN:
            _lock_margin(draft, report.detail)
            # The lock holds opening orders back; it does not stop a closing order, so that slot pauses as long.
            _pause(draft, slot, RETRY_PAUSE_NS if order.opens else draft.state.settings.margin_lock_duration)
        case (
            RejectReason.RATE_LIMITED
            | RejectReason.TOO_LATE
            | RejectReason.NOT_FOUND
            | RejectReason.ENGINE_SILENT
            | RejectReason.RECORDS_LOST
        ):
            slot.limited_times = times + 1
            _pause(draft, slot, RETRY_PAUSE_NS * 2 ** min(times, MAX_RETRY_DOUBLINGS))
        case RejectReason.NOT_TRADING:
            # Not an alert for each order: the changed instrument reports the halt once.
            _pause(draft, slot, draft.state.settings.rejection_cool_down)
        case RejectReason.REDUCE_ONLY:
            _on_reduce_only(draft, slot, report)
        case RejectReason.EXPOSURE_LIMIT:
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


def release_margin(draft: Draft) -> None:
    """Clear the margin lock when its time is over."""
    state = draft.state
    is_locked = state.margin_locked_until > 0
    if not is_locked or draft.time < state.margin_locked_until:
        return
    state.margin_locked_until = 0
    draft.risk(Severity.LOW, MARGIN_LOCKED, "opening orders are allowed again", active=False)


def _on_end_without_reason(draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport) -> None:
    if report.status is OrderStatus.REJECTED:
        _on_final_rejection(draft, slot, report)
    elif order.traded_quantity or order.reported_quantity:
        slot.rejections = 0
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


def _lock_margin(draft: Draft, detail: str) -> None:
    state = draft.state
    if not state.margin_locked_until:
        found = figures(locked_for_s=seconds(state.settings.margin_lock_duration))
        draft.risk(Severity.HIGH, MARGIN_LOCKED, detail, found, active=True)
    state.margin_locked_until = max(
        state.margin_locked_until, draft.time + state.settings.margin_lock_duration
    )


def _pause(draft: Draft, slot: Slot, duration: DurationNs) -> None:
    halt = draft.state.halt
    if halt is not None and halt.flattens:
        duration = min(duration, MAX_FLATTEN_PAUSE_NS)
    slot.quiet_until = max(slot.quiet_until, draft.time + duration)
