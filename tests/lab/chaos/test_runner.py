"""Whole runs of the laboratory: whatever dies, every proof holds."""

from pathlib import Path

import pytest

from cli.config.file import DEFAULT_FILE, load
from cli.stack.data_dir import DataDir
from cli.stack.ports import any_free
from cli.stack.stack import StackSettings
from lab.chaos.__main__ import PATIENCE
from lab.chaos.runner import Outcome, Trial, experiment, lively, targets

pytestmark = pytest.mark.long


def settings(folder: Path, nodes: int) -> StackSettings:
    return StackSettings(
        configuration=lively(load(DEFAULT_FILE)),
        data=DataDir(folder),
        bus_port=any_free(nodes),
        http_port=any_free(),
        patience=PATIENCE,
        engines=2,
        gateways=2,
        nodes=nodes,
    )


async def run(folder: Path, trial: Trial, nodes: int = 1) -> Outcome:
    stack = settings(folder, nodes)
    with stack.data.hold():
        return await experiment(stack, trial, say=print)


@pytest.mark.timeout(900)
async def test_five_minutes_of_dying_and_standing_still_and_every_proof_holds(tmp_path: Path) -> None:
    outcome = await run(tmp_path, Trial(seed=1, minutes=5, every_s=3.0, pause_s=15.0))

    assert outcome.contradictions == {name: [] for name in outcome.contradictions}
    assert set(outcome.kills) == set(targets(settings(tmp_path, nodes=1)))
    assert outcome.pauses


@pytest.mark.timeout(600)
async def test_a_cluster_loses_its_leaders_and_every_proof_holds(tmp_path: Path) -> None:
    outcome = await run(tmp_path, Trial(seed=1, kills=14, every_s=4.0), nodes=3)

    assert outcome.contradictions == {name: [] for name in outcome.contradictions}
    assert {"bus-1", "bus-2", "bus-3"} <= set(outcome.kills)
