"""Fills that the bus lost for good: recorded once for each loss, without touching the accounts."""

from copy import deepcopy

from engine.core.view import view
from schemas.engine.events import AlertRaised
from schemas.engine.journal import LedgerGap
from tests.engine.core.examples import START, started, state_of, step

GAP = LedgerGap(complete_from=START, lost_fills=2)


def test_a_gap_is_part_of_the_state_and_shown() -> None:
    grid = started()
    accounts = deepcopy(state_of(grid).accounts)
    change = step(grid, GAP)
    assert change.causes[-1] == GAP
    assert [each.code for each in change.notices if isinstance(each, AlertRaised)] == ["fills_lost"]
    assert view(state_of(grid), change.step).ledger_from == START
    assert state_of(grid).accounts == accounts


def test_a_known_gap_makes_no_step() -> None:
    grid = started()
    step(grid, GAP)
    assert grid.process([GAP]) is None


def test_a_later_gap_counts_the_fills_lost_since() -> None:
    grid = started()
    step(grid, GAP)
    change = step(grid, LedgerGap(complete_from=START - 1, lost_fills=5))
    (alert,) = (each for each in change.notices if isinstance(each, AlertRaised))
    assert "lost 3 fills" in alert.detail
    assert state_of(grid).ledger_from == START
