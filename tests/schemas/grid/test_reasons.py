"""Reasons in words."""

from schemas.grid.reasons import WORDS, words
from schemas.grid.view import NotQuoting


def test_every_reason_has_words_and_says_what_helps() -> None:
    assert not {reason.value for reason in NotQuoting} - WORDS.keys()
    assert all(each.says and each.to_do for each in WORDS.values())


def test_what_a_guard_says_is_part_of_the_sentence() -> None:
    assert words(NotQuoting.BREAKER_OPEN, "two losses").says == "The circuit breaker is open: two losses"
    assert words(NotQuoting.BREAKER_OPEN).says == "The circuit breaker is open."
