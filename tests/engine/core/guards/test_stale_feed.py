"""Without a feed nothing is opened; the first newer tick clears it."""

import msgspec

from engine.core.grid import Grid
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS
from schemas.venue.market import FeedState
from tests.engine.core.examples import (
    NEUTRAL,
    accept_all,
    canceled,
    feed,
    fill,
    order,
    placed,
    risks,
    silence,
    started,
    state_of,
    step,
    ticker,
)

STALE = msgspec.structs.replace(NEUTRAL, stale_after=5 * SECOND_NS)


def lost() -> Grid:
    """Return a grid whose feed was lost at the start, with its opening orders canceled."""
    grid = started(STALE)
    step(grid, silence(5))
    return grid


def test_silence_cancels_opening_orders_and_keeps_closing_orders() -> None:
    grid = started(STALE)
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1).client_order_id
    change = step(grid, silence(5))
    assert risks(change) == [("feed_lost", True)]
    assert len(canceled(change)) == 5
    assert closing not in canceled(change)


def test_short_silence_is_ignored() -> None:
    assert started(STALE).process([silence(4.9)]) is None


def test_silence_counts_from_the_newest_tick() -> None:
    grid = started(STALE)
    assert grid.process([ticker(1000, 3)]) is None
    assert grid.process([silence(7)]) is None
    assert risks(step(grid, silence(8))) == [("feed_lost", True)]


def test_lasting_silence_is_reported_once() -> None:
    assert lost().process([silence(60)]) is None


def test_silence_is_ignored_without_a_limit() -> None:
    assert started(NEUTRAL).process([silence(3600)]) is None


def test_newer_tick_clears_feed_loss() -> None:
    grid = lost()
    assert grid.process([silence(6)]) is None
    change = step(grid, ticker(1000, 7))
    assert risks(change) == [("feed_lost", False)]
    assert grid.why_not_quoting() is NotQuoting.AWAITING_VENUE


def test_older_tick_does_not_clear_feed_loss() -> None:
    assert lost().process([ticker(1000, 0)]) is None


def test_feed_loss_is_the_not_quoting_reason() -> None:
    assert lost().why_not_quoting() is NotQuoting.FEED_LOST


def test_held_quantity_is_closed_during_feed_loss() -> None:
    grid = lost()
    assert [each.opens for each in (slot.order for slot in state_of(grid).slots.values()) if each]
    assert [each.level for each in placed(fill(grid, -1))] == [-1]


def test_down_or_gapped_feed_is_lost() -> None:
    for state in (FeedState.DOWN, FeedState.GAPPED):
        grid = started(STALE)
        assert risks(step(grid, feed(state, 1))) == [("feed_lost", True)]
        assert risks(step(grid, ticker(1000, 0.5))) == [("feed_lost", False)]


def test_report_older_than_the_newest_tick_is_ignored() -> None:
    grid = started(STALE)
    assert grid.process([ticker(1000, 3), feed(FeedState.DOWN, 2)]) is None
    assert grid.process([feed(FeedState.UP, 4)]) is None


def test_feed_loss_before_the_first_price_is_ignored() -> None:
    assert Grid(None, 0).process([feed(FeedState.DOWN, 1)]) is None


def test_feed_lost_for_max_stale_trips() -> None:
    grid = started(msgspec.structs.replace(STALE, max_stale=30 * SECOND_NS))
    step(grid, silence(5))
    assert grid.process([silence(29)]) is None
    assert risks(step(grid, silence(30))) == [("circuit_breaker", True)]
    assert state_of(grid).breaker.reason == "stale data: the newest tick is 30.0 s old"
