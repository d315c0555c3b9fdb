"""The metric of the reason why a symbol is not quoting."""

from bus.metrics import CollectorRegistry, exposition
from engine.metrics import NotQuotingCollector, NotQuotingReason
from schemas.grid.view import NotQuoting
from tests.builders import BTC, SIM


def lines(*found: NotQuotingReason) -> dict[str, str]:
    """Return each reason and its value."""
    registry = CollectorRegistry()
    registry.register(NotQuotingCollector(lambda: found))
    samples = [line for line in exposition(registry).decode().splitlines() if not line.startswith("#")]
    return {line.partition('reason="')[2].partition('"')[0]: line.rpartition(" ")[2] for line in samples}


def test_the_present_reason_is_1_and_all_others_are_0() -> None:
    found = lines(NotQuotingReason(SIM, BTC, NotQuoting.PAUSED))
    assert {reason for reason, value in found.items() if value == "1.0"} == {"paused"}
    assert found.keys() == {reason.value for reason in NotQuoting}


def test_a_quoting_symbol_has_no_reason() -> None:
    assert set(lines(NotQuotingReason(SIM, BTC, None)).values()) == {"0.0"}


def test_symbols_of_other_engines_are_not_reported() -> None:
    assert lines() == {}
