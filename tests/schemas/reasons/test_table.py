"""The table of reasons: complete, and of lines that can be pasted."""

from bus.parts.view import PartState
from schemas.engine.control import CommandOutcome
from schemas.engine.events import ReconciliationFinding
from schemas.grid.view import NotQuoting
from schemas.reasons.table import TABLE, Kind, explain
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.orders import RejectReason
from tests.schemas.reasons.codes import alert_codes, guard_codes, logged_events

ENTRIES = [each for codes in TABLE.values() for each in codes.values()]


def test_every_member_of_an_enum_has_an_entry() -> None:
    assert set(TABLE[Kind.NOT_QUOTING]) == set(NotQuoting)
    assert set(TABLE[Kind.REJECTION]) == set(RejectReason)
    assert set(TABLE[Kind.FINDING]) == set(ReconciliationFinding)
    assert set(TABLE[Kind.OUTCOME]) == set(CommandOutcome)
    assert set(TABLE[Kind.DECISION]) == set(DecisionReason)
    assert set(TABLE[Kind.PART]) == set(PartState)


def test_every_alert_that_a_part_can_raise_has_an_entry() -> None:
    assert alert_codes() == set(TABLE[Kind.ALERT])


def test_every_guard_that_can_become_active_has_an_entry() -> None:
    assert guard_codes() == set(TABLE[Kind.GUARD])


def test_every_log_event_of_the_table_is_logged() -> None:
    assert set(TABLE[Kind.LOG]) - logged_events() == set()


def test_sentences_end_with_a_full_stop_and_remedies_with_one_or_with_a_command() -> None:
    assert [each for each in ENTRIES if not each.sentence.endswith(".")] == []
    assert [each for each in ENTRIES if each.remedy.endswith(".") is (": ./opensqt " in each.remedy)] == []


def test_a_command_names_the_program() -> None:
    assert [each for each in ENTRIES if " control " in each.remedy.replace("./opensqt control ", "")] == []


def test_the_command_line_names_venue_and_symbol() -> None:
    remedy = explain(NotQuoting.PAUSED, venue="sim", symbol="BTC/USDT:USDT").remedy

    assert remedy == "Resume with: ./opensqt control resume sim BTC/USDT:USDT"
    assert explain(NotQuoting.PAUSED).remedy.endswith(" resume VENUE SYMBOL")


def test_detail_and_operator_follow_the_sentence() -> None:
    open_breaker = explain(NotQuoting.BREAKER_OPEN, "two losses", by="alice: news")

    assert open_breaker.sentence == "The circuit breaker is open: two losses. By alice: news."
    assert explain(NotQuoting.PAUSED, "alice: news", by="alice: news") == explain(
        NotQuoting.PAUSED, by="alice: news"
    )
    assert explain(NotQuoting.PAUSED, "by alice: news", by="alice: news").sentence.count("alice") == 1


def test_an_unknown_code_is_explained_by_its_own_words() -> None:
    assert explain("new_danger", "3 of 4", kind=Kind.ALERT) == ("New danger: 3 of 4.", "")
