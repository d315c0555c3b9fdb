"""Number of failures before a symbol is quarantined."""

from engine.quarantine import MAX_FAILURES, WINDOW_S, FailureCounter, InputRef

REF = InputRef("ORDERS", 7)


def test_the_third_failure_on_an_input_quarantines() -> None:
    failures = FailureCounter(clock=lambda: 0.0)
    assert [failures.add(REF) for _ in range(MAX_FAILURES)] == [False, False, True]


def test_failures_on_different_inputs_are_counted_separately() -> None:
    failures = FailureCounter(clock=lambda: 0.0)
    assert not any(failures.add(InputRef("ORDERS", sequence)) for sequence in range(10))


def test_failures_outside_the_window_do_not_count() -> None:
    now = 0.0
    failures = FailureCounter(clock=lambda: now)
    for _ in range(5):
        assert not failures.add(REF)
        now += WINDOW_S


def test_an_input_is_named_by_its_sequence_if_it_has_one() -> None:
    assert (str(REF), str(InputRef("Ticker"))) == ("ORDERS 7", "Ticker")
