"""Every scenario in the simulation: it passes, with equal events every time, and ends when it cannot pass."""

import asyncio
import json
import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from cli.config.file import DEFAULT_FILE, load
from lab.scenarios import SCENARIOS
from lab.scenarios.batch import simulate
from lab.scenarios.harness import Harness
from lab.scenarios.runner import Scenario
from lab.scenarios.settings import unchanged, with_venue
from lab.scenarios.simulated import run_simulated


async def wait_forever(harness: Harness) -> None:
    await asyncio.Event().wait()


async def kill_the_gateway(harness: Harness) -> None:
    harness.stack.part("gateway").kill()


def run_with_hash_seed(name: str, hash_seed: str) -> dict[str, Any]:
    """Run a scenario in a new process; return its result without the real time that it took."""
    done = subprocess.run(
        [sys.executable, "-m", "lab.scenarios", name, "--json"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    assert result.pop("elapsed_s") > 0
    return result


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_scenario_passes(name: str) -> None:
    (result,) = simulate([name], seed=1, jobs=1, progress=lambda _: None)
    assert (result.name, result.problems) == (name, [])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_events_and_digest_are_equal_in_processes_with_other_hash_seeds() -> None:
    first, second = (run_with_hash_seed("third-symbol", hash_seed) for hash_seed in ("0", "5"))
    assert first == second
    assert first["events"]


@pytest.mark.slow
def test_results_of_several_jobs_are_in_the_order_of_the_names() -> None:
    results = simulate(["third-symbol", "command-old"], seed=1, jobs=2, progress=lambda _: None)
    assert [result.name for result in results] == ["third-symbol", "command-old"]


def test_a_failed_part_ends_the_scenario_with_one_line() -> None:
    broken = Scenario(
        "broken", "", lambda each: with_venue(each, balances={"USDT": Decimal(-1)}), wait_forever
    )
    (problem,) = run_simulated(broken, load(DEFAULT_FILE)).problems
    assert problem.startswith("venue failed at 0.0 s: SettingsError(")


def test_a_scenario_that_never_finishes_ends_at_the_deadline() -> None:
    endless = Scenario("endless", "", unchanged, wait_forever)
    result = run_simulated(endless, load(DEFAULT_FILE), deadline_s=1.0)
    assert result.problems == ["not finished after 1 simulated seconds"]
    assert result.simulated_s == pytest.approx(1.0)


@pytest.mark.slow
def test_a_killed_part_does_not_end_the_scenario() -> None:
    result = run_simulated(Scenario("killed", "", unchanged, kill_the_gateway), load(DEFAULT_FILE))
    assert result.problems == []
