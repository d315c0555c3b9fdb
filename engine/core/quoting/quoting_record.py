"""Publish each change of the reason for not quoting, as part of the step that changed it.

A step is never made for this alone. `awaiting_venue` is recorded once it has lasted for `SETTLING_NS`: between a cancel and
the venue's answer it appears for milliseconds only, and as often as orders are replaced.
"""

from engine.core.blocking import detail_of
from engine.core.orders.price_lattice import Lattice
from engine.core.quoting.quoting import why_not
from engine.core.step import Draft
from schemas.engine.events import QuotingChanged
from schemas.grid.state import QuotingRecord
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS, DurationNs

SETTLING_NS: DurationNs = SECOND_NS


def record(draft: Draft, lattice: Lattice | None) -> None:
    """Publish and record the reason at the end of a step, if it differs from the recorded one.

    In a state from before version 2 the earlier reason is unknown: the present one is recorded without an event.
    """
    state, reason = draft.state, why_not(draft.state, lattice)
    known = state.quoting
    if known is None or reason is known.reason:
        state.quoting = QuotingRecord(reason=reason)
        return
    since = known.awaiting_since or draft.time
    if reason is NotQuoting.AWAITING_VENUE and draft.time - since < SETTLING_NS:
        state.quoting = QuotingRecord(reason=known.reason, awaiting_since=since)
        return
    state.quoting = QuotingRecord(reason=reason)
    draft.notices.append(
        QuotingChanged(
            venue=state.venue,
            symbol=state.symbol,
            previous=known.reason,
            reason=reason,
            detail=detail_of(state, reason),
            step=draft.step,
            time=draft.time,
        )
    )
