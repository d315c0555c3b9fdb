"""Comparison of two clocks by readings."""

import pytest

from bus.coordination.clock_check import ClockCheck, Limits
from schemas.units import SECOND_NS, TimeNs

NOW: TimeNs = 1_700_000_000 * SECOND_NS
LIMITS = Limits(ahead=SECOND_NS, behind=2 * SECOND_NS)


def at(seconds: float) -> TimeNs:
    return NOW + round(seconds * SECOND_NS)


def read(sent: float, other: float, answered: float) -> str:
    check = ClockCheck("of the venue sim", LIMITS)
    check.on_reading(at(sent), at(other), at(answered))
    return check.problem


@pytest.mark.parametrize(
    ("sent", "other", "answered"),
    [(0, 0, 0), (0, 0.1, 0.2), (1, 0, 1.1), (0, 2.1, 0.1), (0, 40, 60), (0, -0.9, 60)],
)
def test_clocks_agree_within_the_limits_and_the_time_of_the_answer(
    sent: float, other: float, answered: float
) -> None:
    assert read(sent, other, answered) == ""


@pytest.mark.parametrize(
    ("sent", "other", "answered", "text"),
    [
        (3600, 0, 3600.2, "3600.0 s ahead of that of the venue sim"),
        (1.1, 0, 1.2, "1.1 s ahead of that"),
        (1.1, 0, 60, "1.1 s ahead of that"),
        (0, 2.2, 0.1, "2.1 s behind that"),
        (0, 3600, 60, "3540.0 s behind that"),
    ],
)
def test_what_lies_outside_of_request_and_answer_is_certain(
    sent: float, other: float, answered: float, text: str
) -> None:
    assert text in read(sent, other, answered)


def test_a_change_is_reported_once() -> None:
    check = ClockCheck("of the bus", LIMITS)
    assert not check.on_reading(at(0), at(0), at(0))
    assert check.on_reading(at(9), at(0), at(9))
    assert not check.on_reading(at(8), at(0), at(8))
    assert check.on_reading(at(1), at(1), at(1))
    assert check.problem == ""


def test_a_slow_answer_does_not_show_that_the_clock_is_right_again() -> None:
    check = ClockCheck("of the bus", LIMITS)
    check.on_reading(at(9), at(0), at(9))
    assert not check.on_reading(at(0), at(1), at(1.1))
    assert check.problem
    assert check.on_reading(at(0), at(1), at(1))


def test_a_clock_that_is_set_during_a_reading_shows_nothing() -> None:
    check = ClockCheck("of the bus", LIMITS)
    assert not check.on_reading(at(3600), at(0), at(0.1))
    assert check.problem == ""
