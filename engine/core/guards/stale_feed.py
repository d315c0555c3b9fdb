"""Stale feed guard: without current prices nothing is opened. The first newer tick clears it.

A feed is lost when it reports so (down, gapped), or after a silence of `stale_after`. Only a tick newer than the loss
proves recovery, so no recovery message is needed and none can be missed.
"""

from engine.core.guards.circuit_breaker import trip
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.engine.journal import TimePassed
from schemas.units import SECOND_NS
from schemas.venue.market import FeedChanged, FeedState

FEED_LOST = "feed_lost"


def on_feed_changed(draft: Draft, event: FeedChanged) -> None:
    """Activate on a report of loss, unless it is older than the newest tick."""
    if event.state is FeedState.UP or event.time < draft.price_time:
        return
    _lose(draft, f"the feed is {event.state}: {event.reason}")


def on_silence(draft: Draft, silence: TimePassed | None) -> None:
    """Activate after a silence of `stale_after`."""
    stale_after = draft.state.settings.stale_after
    if silence is None or not stale_after:
        return
    age = silence.time - draft.price_time
    if age >= stale_after:
        _lose(draft, f"no tick for {age / SECOND_NS:g} s")


def on_tick(draft: Draft) -> None:
    """Clear when the newest tick is newer than the loss."""
    state = draft.state
    if not 0 < state.feed_lost_time < draft.price_time:
        return
    state.feed_lost_time = 0
    draft.risk(Severity.LOW, FEED_LOST, "ticks arrive again", active=False)


def evaluate(draft: Draft) -> None:
    """Trip the circuit breaker when the feed has been lost for `max_stale`."""
    state, limit = draft.state, draft.state.settings.max_stale
    if not limit or not state.feed_lost_time:
        return
    age = draft.time - state.feed_lost_time
    if age >= limit:
        trip(draft, f"stale data: the newest tick is {age / SECOND_NS:g} s old")


def _lose(draft: Draft, details: str) -> None:
    # The loss is dated by the newest tick: a report of it may carry another clock's time.
    state = draft.state
    if state.feed_lost_time or not draft.price_time:
        return
    state.feed_lost_time = draft.price_time
    draft.risk(Severity.HIGH, FEED_LOST, details, active=True)
