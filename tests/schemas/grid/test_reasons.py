"""Explanations of the reasons for not quoting."""

from schemas.grid.reasons import EXPLANATIONS, explain
from schemas.grid.view import NotQuoting


def test_every_reason_has_a_sentence_and_a_remedy() -> None:
    assert not {reason.value for reason in NotQuoting} - EXPLANATIONS.keys()
    assert all(each.sentence.endswith(".") and each.remedy.endswith(".") for each in EXPLANATIONS.values())


def test_detail_is_appended_to_the_sentence() -> None:
    assert (
        explain(NotQuoting.BREAKER_OPEN, "two losses").sentence == "The circuit breaker is open: two losses."
    )
    assert explain(NotQuoting.BREAKER_OPEN).sentence == "The circuit breaker is open."
