"""Cancels that the venue refused: they are repeated after a pause, which grows with each further refusal of the same order.

A venue refuses a cancel without saying that the order has ended when it does not accept the request at all, for example from
a gateway whose clock is wrong. Repeating it at once would use up the rate limit that other orders need.
"""

from collections.abc import Set

from engine.core.decisions import cancel, figures
from engine.core.step import Draft
from schemas.grid.state import GridState, RefusedCancel
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, TimeNs
from schemas.venue.decision_reasons import DecisionReason

FIRST_PAUSE_NS: DurationNs = 2 * SECOND_NS
MAX_PAUSE_NS: DurationNs = 60 * SECOND_NS


def note_refusal(draft: Draft, client_order_id: ClientOrderId) -> None:
    """Record that the venue refused a cancel: the next one waits for 2, 4, 8 ... 60 s."""
    refused = draft.state.refused_cancels.setdefault(client_order_id, RefusedCancel())
    draft.touch()
    pause_ns = FIRST_PAUSE_NS
    for _ in range(refused.times):
        pause_ns = min(2 * pause_ns, MAX_PAUSE_NS)
    refused.times += 1
    refused.retry_time = draft.time + pause_ns


def repeat_due(draft: Draft) -> None:
    """Cancel the orders again whose pause is over."""
    for client_order_id, refused in draft.state.refused_cancels.items():
        if 0 < refused.retry_time <= draft.time:
            refused.retry_time = 0
            found = figures(refused_times=refused.times)
            draft.decide(cancel(client_order_id, DecisionReason.STILL_OPEN, found))


def forget_ended(draft: Draft, at_venue: Set[ClientOrderId]) -> None:
    """Forget the refusals of orders that a sweep does not list: they have ended."""
    for client_order_id in sorted(draft.state.refused_cancels.keys() - at_venue):
        draft.touch()
        del draft.state.refused_cancels[client_order_id]


def expiries(state: GridState) -> list[TimeNs]:
    """Return the times at which a cancel is repeated."""
    return [each.retry_time for each in state.refused_cancels.values() if each.retry_time]
