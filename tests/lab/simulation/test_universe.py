"""Simulated runs: the same seed gives the same run, and the proofs hold."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.simulation.__main__ import main
from lab.simulation.campaign.corpus import CORPUS_FILE, Entry, read_corpus
from lab.simulation.campaign.examine import examine
from lab.simulation.universe import UniverseSettings

ROOT = Path(__file__).parents[3]
HOURS = 0.002


def simulate(*arguments: str, hash_seed: str = "0") -> dict[str, Any]:
    """Run `simulate` in a process of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "lab.simulation", "--json", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        check=False,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seeds", [4, pytest.param(20, marks=pytest.mark.long)])
def test_the_same_seeds_give_the_same_runs_in_each_process(seeds: int) -> None:
    campaign = ("--campaign", f"{seeds}", "--hours", f"{HOURS}", "--jobs", "2")
    once, again = (simulate(*campaign, hash_seed=each) for each in ("0", "5"))
    assert [each for each in once["failures"] if not each["known"]] == []
    assert len(set(once["digests"].values())) == seeds
    assert (once["digests"], once["faults"]) == (again["digests"], again["faults"])


def test_the_second_run_in_a_process_is_the_same() -> None:
    settings = UniverseSettings(2, 0.0015, ("terminate",))
    assert examine(settings).digest == examine(settings).digest


@pytest.mark.parametrize("entry", read_corpus(CORPUS_FILE), ids=lambda entry: f"seed-{entry.settings.seed}")
def test_runs_that_failed_once_hold(entry: Entry) -> None:
    assert examine(entry.settings).problems == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--hours", "0"], "--hours must be above 0"),
        (["--faults", "kil"], "did you mean kill?"),
        (["--faults", ""], "write none for a run without faults"),
        (["--campaign", "0"], "--campaign must be 1 or more"),
        (["--jobs", "0"], "--jobs must be 1 to 64"),
        (["--campaign", "2", "--page", "0"], "--page shows one run"),
        (["--corpus", "--faults", "kill"], "--corpus has seeds and faults of its own"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code, text in capsys.readouterr().err) == (2, True)


def test_a_missing_configuration_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--configuration", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: No such file" in capsys.readouterr().err
