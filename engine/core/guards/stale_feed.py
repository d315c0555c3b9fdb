"""Stale feed guard: while the feed of the symbol is lost, no opening order is placed.

`state.feed_lost_time` is set while the feed is lost; `engine.core.blocking` then forbids opening orders. The feed is lost
when the market publisher reports it (down, or gapped: connected, but data was missed), or after a silence of `stale_after`.
The first tick newer than the loss clears the guard, so no report of recovery is needed and none can be missed. Before the
first tick the guard does nothing.
"""

from engine.core.decisions import figures, seconds, seconds_text
from engine.core.guards.circuit_breaker import trip
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.engine.journal import TimePassed
from schemas.units import Figures
from schemas.venue.market import FeedChanged, FeedState

FEED_LOST = "feed_lost"


def on_feed_changed(draft: Draft, event: FeedChanged) -> None:
    """Record a reported loss. A report older than the newest tick is ignored: that tick already proves recovery.

    The publisher's clock may differ from the market's. A report that seems too new is cleared by the next tick; one that
    seems too old is ignored, and the silence that follows is detected by `on_silence`.
    """
    if event.state is FeedState.UP or event.time < draft.price_time:
        return
    age_ns = event.time - draft.price_time
    _mark_lost(draft, f"the feed is {event.state}: {event.reason}", figures(price_age_s=seconds(age_ns)))


def on_silence(draft: Draft, silence: TimePassed | None) -> None:
    """Record a loss once there was no tick for `stale_after`; `silence` is None in a step that reports no silence."""
    stale_after = draft.state.settings.stale_after
    if silence is None or not stale_after:
        return
    age_ns = silence.time - draft.price_time
    if age_ns >= stale_after:
        found = figures(price_age_s=seconds(age_ns), limit_s=seconds(stale_after))
        _mark_lost(draft, f"no tick for {seconds_text(age_ns)}", found)


def on_tick(draft: Draft) -> None:
    """Clear the guard when the newest tick is newer than the loss."""
    state = draft.state
    is_lost = state.feed_lost_time > 0
    if not is_lost or draft.price_time <= state.feed_lost_time:
        return
    lost_s = seconds(draft.price_time - state.feed_lost_time)
    state.feed_lost_time = 0
    draft.risk(
        Severity.LOW,
        FEED_LOST,
        "feed recovered: ticks arrive again",
        figures(lost_for_s=lost_s),
        active=False,
    )


def trip_when_lost_too_long(draft: Draft) -> None:
    """Trip the circuit breaker once the newest tick before the loss is `max_stale` old, in market time."""
    state, limit = draft.state, draft.state.settings.max_stale
    if not limit or not state.feed_lost_time:
        return
    age_ns = draft.time - state.feed_lost_time
    if age_ns >= limit:
        found = figures(price_age_s=seconds(age_ns), limit_s=seconds(limit))
        trip(draft, f"stale data: the newest tick is {seconds_text(age_ns)} old", found)


def _mark_lost(draft: Draft, details: str, because: Figures) -> None:
    # The loss is dated by the newest tick, not by the report, whose clock may differ from the market's.
    state = draft.state
    if state.feed_lost_time or not draft.price_time:
        return
    state.feed_lost_time = draft.price_time
    draft.risk(Severity.HIGH, FEED_LOST, details, because, active=True)
