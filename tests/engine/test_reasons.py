"""The metric that says why a symbol is not quoting."""

from bus.metrics import CollectorRegistry, exposition
from engine.reasons import NotQuotingCollector, Reason
from schemas.grid.view import NotQuoting
from tests.schemas.examples import BTC, SIM


def lines(*found: Reason) -> dict[str, str]:
    """Return each reason and its figure."""
    registry = CollectorRegistry()
    registry.register(NotQuotingCollector(lambda: found))
    said = [line for line in exposition(registry).decode().splitlines() if not line.startswith("#")]
    return {line.partition('reason="')[2].partition('"')[0]: line.rpartition(" ")[2] for line in said}


def test_the_present_reason_is_1_and_all_others_are_0() -> None:
    found = lines(Reason(SIM, BTC, NotQuoting.PAUSED))
    assert {reason for reason, figure in found.items() if figure == "1.0"} == {"paused"}
    assert found.keys() == {reason.value for reason in NotQuoting}


def test_a_symbol_that_quotes_has_none() -> None:
    assert set(lines(Reason(SIM, BTC, None)).values()) == {"0.0"}


def test_a_symbol_that_another_engine_has_is_not_told() -> None:
    assert lines() == {}
