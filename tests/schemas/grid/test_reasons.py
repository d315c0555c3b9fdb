"""Explanations of the reasons for not quoting."""

from schemas.grid.reasons import EXPLANATIONS, explain
from schemas.grid.view import NotQuoting


def test_every_reason_has_a_sentence_and_a_remedy() -> None:
    assert not {reason.value for reason in NotQuoting} - EXPLANATIONS.keys()
    assert all(each.sentence.endswith(".") for each in EXPLANATIONS.values())


def test_a_remedy_ends_with_a_full_stop_or_with_a_command_to_paste() -> None:
    remedies = [each.remedy for each in EXPLANATIONS.values()]
    assert all(remedy.endswith(".") is (": ./opensqt " not in remedy) for remedy in remedies)
    assert not any(" control " in remedy.replace("./opensqt control ", "") for remedy in remedies)


def test_the_command_names_the_market() -> None:
    remedy = explain(NotQuoting.PAUSED, market="sim BTC/USDT:USDT").remedy
    assert remedy == "Resume with: ./opensqt control resume sim BTC/USDT:USDT"


def test_detail_is_appended_to_the_sentence() -> None:
    assert (
        explain(NotQuoting.BREAKER_OPEN, "two losses").sentence == "The circuit breaker is open: two losses."
    )
    assert explain(NotQuoting.BREAKER_OPEN).sentence == "The circuit breaker is open."
