"""The replay clock: speed, pause, and speed `max`."""

from liveserver.replay.clock import MAX, ReplayClock
from schemas.units import SECOND_NS


def test_event_is_due_after_its_distance_divided_by_speed() -> None:
    clock = ReplayClock(100 * SECOND_NS, 5.0, now=7.0)

    assert clock.due_in(110 * SECOND_NS, now=7.0) == 2.0
    assert clock.due_in(110 * SECOND_NS, now=9.5) == 0.0
    assert clock.at(now=8.0) == 105 * SECOND_NS


def test_time_stops_during_a_pause() -> None:
    clock = ReplayClock(0, 1.0, now=0.0)
    clock.pause(now=3.0)

    assert clock.due_in(4 * SECOND_NS, now=100.0) is None
    assert clock.at(now=100.0) == 3 * SECOND_NS
    clock.play(2.0, now=100.0)
    assert clock.due_in(5 * SECOND_NS, now=100.0) == 1.0


def test_at_speed_max_everything_is_due_and_the_time_is_set() -> None:
    clock = ReplayClock(0, MAX, now=0.0)
    clock.advance_to(9 * SECOND_NS, now=0.1)

    assert clock.due_in(99 * SECOND_NS, now=0.1) == 0.0
    assert clock.at(now=50.0) == 9 * SECOND_NS
    clock.play(1.0, now=50.0)
    assert clock.at(now=51.0) == 10 * SECOND_NS


def test_next_full_second_is_the_first_after_the_one_shown() -> None:
    clock = ReplayClock(100 * SECOND_NS + SECOND_NS // 2, 1.0, now=0.0)

    assert clock.full_second_in(since=0.0, now=0.2) == 0.3
    assert clock.full_second_in(since=0.5, now=0.5) == 1.0
    clock.play(0.5, now=0.5)
    assert clock.full_second_in(since=0.5, now=0.5) == 2.0
    clock.pause(now=0.5)
    assert clock.full_second_in(since=0.5, now=0.5) is None


def test_full_seconds_are_not_shown_at_higher_speeds() -> None:
    assert ReplayClock(0, 1.5, now=0.0).full_second_in(since=0.0, now=0.0) is None
    assert ReplayClock(0, MAX, now=0.0).full_second_in(since=0.0, now=0.0) is None
