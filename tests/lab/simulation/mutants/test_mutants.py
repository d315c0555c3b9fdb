"""Mutants: put in place and taken back, found by a proof, while the system itself is not accused."""

import pytest

from bus import Journal
from lab.simulation.faults.schedule import FAULTS
from lab.simulation.mutants.__main__ import main
from lab.simulation.mutants.search import MUTANTS, run_with, run_without
from producers.gateway.gateway import Gateway

QUICK = MUTANTS["send-before-intent"]
QUICK_HOURS = 0.002


@pytest.mark.timeout(180)
def test_a_mutant_is_found() -> None:
    problems = run_with(QUICK, 1, QUICK_HOURS).problems

    assert any(each.startswith("every order was committed before it was sent") for each in problems)


@pytest.mark.timeout(180)
def test_the_system_without_a_mutant_is_not_accused() -> None:
    assert run_without(QUICK, 1, QUICK_HOURS).problems == []


def test_the_code_is_put_back() -> None:
    before = vars(Journal)["commit"], vars(Gateway)["_act_on"]
    for mutant in MUTANTS.values():
        with mutant.apply():
            pass

    assert (vars(Journal)["commit"], vars(Gateway)["_act_on"]) == before


def test_each_mutant_needs_faults_that_there_are() -> None:
    assert len(MUTANTS) >= 12
    assert {name for mutant in MUTANTS.values() for name in mutant.faults} <= set(FAULTS)


@pytest.mark.parametrize("arguments", [["no-such-mutant"], ["--seeds", "0"]])
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "mutant" in capsys.readouterr().err
