"""How often a symbol may fail before it is set aside."""

from engine.quarantine import FAILURES, WITHIN_S, Failures, Place

HERE = Place("ORDERS", 7)


def test_the_third_failure_at_a_place_is_too_much() -> None:
    failures = Failures(clock=lambda: 0.0)
    assert [failures.add(HERE) for _ in range(FAILURES)] == [False, False, True]


def test_failures_at_other_places_are_others() -> None:
    failures = Failures(clock=lambda: 0.0)
    assert not any(failures.add(Place("ORDERS", sequence)) for sequence in range(10))


def test_failures_of_long_ago_do_not_count() -> None:
    now = 0.0
    failures = Failures(clock=lambda: now)
    for _ in range(5):
        assert not failures.add(HERE)
        now += WITHIN_S


def test_a_place_is_named_by_its_sequence_if_it_has_one() -> None:
    assert (str(HERE), str(Place("Ticker"))) == ("ORDERS 7", "Ticker")
