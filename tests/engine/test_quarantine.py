"""Number of failures before a symbol is quarantined, and the incident that it raises."""

from bus import Bus
from engine.quarantine import MAX_FAILURES, WINDOW_S, FailureCounter, InputRef, announce, announce_end
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.events import AlertRaised, Severity
from schemas.subjects import Stream
from tests.builders import BTC, SIM
from tests.engine.conftest import ENTRY
from tests.engine.engines import KEY

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


async def test_two_engines_raise_the_same_incident(bus: Bus) -> None:
    ref = InputRef("ORDERS", 7)
    first = await announce(bus, ENTRY, ref, "one: failed")
    second = await announce(bus, ENTRY, ref, "two: failed")

    assert first.incident == second.incident == f"quarantined.{KEY}.0.ORDERS.7"
    assert await bus.last_sequence(Stream.ALERTS) == 1


async def test_a_reset_ends_the_incident(bus: Bus) -> None:
    alert = await announce(bus, ENTRY, InputRef("Ticker"), "failed")
    await announce_end(bus, alert)

    last = await bus.last(Stream.ALERTS, subjects.alert(SIM, BTC))
    assert last is not None
    ended = decode_as(last.data, AlertRaised)
    assert (ended.incident, ended.ended, ended.severity) == (alert.incident, True, Severity.LOW)
