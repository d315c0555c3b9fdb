"""Orders that came to nothing: what a slot, or the whole grid, does after a refusal."""

from typing import assert_never

from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.state import Slot, SlotOrder, SlotOrderState
from schemas.units import SECOND_NS, DurationNs
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason

PAUSE: DurationNs = SECOND_NS
"""How long a slot waits after an order that came to nothing and may be tried again, so that nothing spins."""

FLATTEN_RETRY: DurationNs = 2 * SECOND_NS
"""The longest that a slot waits while its position is being closed."""

MARGIN_LOCKED = "margin_locked"

EXPOSURE_PAUSE: DurationNs = 10 * SECOND_NS
"""How long a slot waits whose order all symbols together had no room for; twice as long each time in a row."""
EXPOSURE_DOUBLINGS = 4


def after_end(draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport) -> None:
    """Draw the consequences of an order's end for its slot and for the grid."""
    times, slot.limited_times, slot.is_limited = slot.limited_times, 0, False
    is_canceled = report.status in {OrderStatus.CANCELED, OrderStatus.EXPIRED}
    is_wanted = is_canceled and order.state is SlotOrderState.CANCEL_REQUESTED
    if is_wanted or report.status is OrderStatus.FILLED:
        slot.rejections = 0
        return
    match report.reject_reason:
        case RejectReason.POST_ONLY_WOULD_CROSS:
            _count_crossing(draft, slot)
        case RejectReason.INSUFFICIENT_MARGIN:
            _lock_margin(draft, report.detail)
            _rest(draft, slot, PAUSE if order.opens else draft.state.settings.margin_lock_duration)
        case (
            RejectReason.RATE_LIMITED
            | RejectReason.TOO_LATE
            | RejectReason.NOT_FOUND
            | RejectReason.ENGINE_SILENT
        ):
            _rest(draft, slot, PAUSE)
        case RejectReason.REDUCE_ONLY:
            _count_reduce_only(draft, slot, report)
        case RejectReason.EXPOSURE_LIMIT:
            slot.is_limited, slot.limited_times = True, times + 1
            _rest(draft, slot, EXPOSURE_PAUSE * 2 ** min(times, EXPOSURE_DOUBLINGS))
        case None:
            _without_reason(draft, slot, order, report)
        case (
            RejectReason.MINIMUM_NOTIONAL
            | RejectReason.PRECISION
            | RejectReason.DUPLICATE_ID
            | RejectReason.UNKNOWN_SYMBOL
            | RejectReason.OTHER
        ):
            _refuse(draft, slot, report)
        case _:
            assert_never(report.reject_reason)


def release_margin(draft: Draft) -> bool:
    """End the margin lock when its time is over, and tell whether it was."""
    state = draft.state
    if not 0 < state.margin_locked_until <= draft.time:
        return False
    state.margin_locked_until = 0
    draft.risk(Severity.LOW, MARGIN_LOCKED, "opening orders are placed again", active=False)
    return True


def _without_reason(draft: Draft, slot: Slot, order: SlotOrder, report: OrderReport) -> None:
    if report.status is OrderStatus.REJECTED:
        _refuse(draft, slot, report)
    elif order.traded_quantity or order.reported_quantity:
        slot.rejections = 0
    else:
        _rest(draft, slot, PAUSE)


def _count_crossing(draft: Draft, slot: Slot) -> None:
    settings = draft.state.settings
    slot.rejections += 1
    if slot.rejections < settings.post_only_retries or settings.allow_taker:
        _rest(draft, slot, PAUSE)
    else:
        slot.rejections = 0
        _rest(draft, slot, settings.rejection_cool_down)


def _count_reduce_only(draft: Draft, slot: Slot, report: OrderReport) -> None:
    # One alone is a race with another fill; many in a row are a position that is not there to be reduced.
    slot.rejections += 1
    if slot.rejections < draft.state.settings.post_only_retries:
        _rest(draft, slot, PAUSE)
        return
    slot.rejections = 0
    _rest(draft, slot, draft.state.settings.rejection_cool_down)
    draft.alert(Severity.MEDIUM, "order_refused", f"{report.client_order_id}: reduce-only: {report.detail}")


def _refuse(draft: Draft, slot: Slot, report: OrderReport) -> None:
    slot.rejections += 1
    _rest(draft, slot, draft.state.settings.rejection_cool_down)
    reason = report.reject_reason or report.status
    draft.alert(Severity.MEDIUM, "order_refused", f"{report.client_order_id}: {reason}: {report.detail}")


def _lock_margin(draft: Draft, detail: str) -> None:
    state = draft.state
    if not state.margin_locked_until:
        draft.risk(Severity.HIGH, MARGIN_LOCKED, detail, active=True)
    state.margin_locked_until = max(
        state.margin_locked_until, draft.time + state.settings.margin_lock_duration
    )


def _rest(draft: Draft, slot: Slot, duration: DurationNs) -> None:
    halt = draft.state.halt
    if halt is not None and halt.flattens:
        duration = min(duration, FLATTEN_RETRY)
    slot.quiet_until = max(slot.quiet_until, draft.time + duration)
