"""The past's clock."""

from liveserver.replay.clock import MAX, Pace
from schemas.units import SECOND_NS


def test_what_is_ten_seconds_away_is_due_in_two_at_five_times_the_speed() -> None:
    pace = Pace(100 * SECOND_NS, 5.0, now=7.0)

    assert pace.due_in(110 * SECOND_NS, now=7.0) == 2.0
    assert pace.due_in(110 * SECOND_NS, now=9.5) == 0.0
    assert pace.at(now=8.0) == 105 * SECOND_NS


def test_time_stands_still_in_a_pause_and_goes_on_from_there() -> None:
    pace = Pace(0, 1.0, now=0.0)
    pace.pause(now=3.0)

    assert pace.due_in(4 * SECOND_NS, now=100.0) is None
    assert pace.at(now=100.0) == 3 * SECOND_NS
    pace.play(2.0, now=100.0)
    assert pace.due_in(5 * SECOND_NS, now=100.0) == 1.0


def test_as_fast_as_can_be_everything_is_due_and_the_time_is_what_was_shown() -> None:
    pace = Pace(0, MAX, now=0.0)
    pace.reached(9 * SECOND_NS, now=0.1)

    assert pace.due_in(99 * SECOND_NS, now=0.1) == 0.0
    assert pace.at(now=50.0) == 9 * SECOND_NS
    pace.play(1.0, now=50.0)
    assert pace.at(now=51.0) == 10 * SECOND_NS
