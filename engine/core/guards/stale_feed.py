"""The guard against an old price: without a feed nothing is opened, and the first newer tick ends it.

A feed is lost when it says so (down, gapped), or when silence lasted `stale_after`. A tick that is newer than the loss is
the proof that it is back: no word of a recovery is needed, so none can be missed.
"""

from engine.core.guards.circuit_breaker import trip
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.engine.journal import TimePassed
from schemas.units import SECOND_NS
from schemas.venue.market import FeedChanged, FeedState

FEED_LOST = "feed_lost"


def on_feed_changed(draft: Draft, event: FeedChanged) -> bool:
    """Take the feed's own word that it is not to be relied on; word from before the newest tick is none."""
    if event.state is FeedState.UP or event.time < draft.price_time:
        return False
    return _lose(draft, f"the feed is {event.state}: {event.reason}")


def on_silence(draft: Draft, silence: TimePassed | None) -> bool:
    """Tell whether silence has become too long, and step in if so."""
    stale_after = draft.state.settings.stale_after
    if silence is None or not stale_after:
        return False
    age = silence.time - draft.price_time
    return age >= stale_after and _lose(draft, f"no tick for {age / SECOND_NS:g} s")


def on_tick(draft: Draft) -> bool:
    """Tell whether the feed was lost and is back, and step back if so."""
    state = draft.state
    if not 0 < state.feed_lost_time < draft.price_time:
        return False
    state.feed_lost_time = 0
    draft.risk(Severity.LOW, FEED_LOST, "ticks arrive again", active=False)
    return True


def judge(draft: Draft) -> bool:
    """Open the circuit breaker when the feed is lost for `max_stale`, and tell whether it opened."""
    state, limit = draft.state, draft.state.settings.max_stale
    if not limit or not state.feed_lost_time:
        return False
    age = draft.time - state.feed_lost_time
    return age >= limit and trip(draft, f"stale data: the newest tick is {age / SECOND_NS:g} s old")


def _lose(draft: Draft, details: str) -> bool:
    # The time is the newest tick's: word of a loss may carry another clock's.
    state = draft.state
    if state.feed_lost_time or not draft.price_time:
        return False
    state.feed_lost_time = draft.price_time
    draft.risk(Severity.HIGH, FEED_LOST, details, active=True)
    return True
