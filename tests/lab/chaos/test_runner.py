"""Complete chaos runs: every invariant holds under every fault."""

from pathlib import Path

import pytest

from cli.config.file import DEFAULT_FILE, load
from cli.stack.data_dir import DataDir
from cli.stack.ports import find_free_port
from cli.stack.stack import StackSettings
from lab.chaos.__main__ import TIMINGS
from lab.chaos.runner import ChaosResult, ChaosSettings, all_targets, run_chaos, with_volatile_market

pytestmark = pytest.mark.long


def stack_settings(folder: Path, nodes: int) -> StackSettings:
    return StackSettings(
        configuration=with_volatile_market(load(DEFAULT_FILE)),
        data=DataDir(folder),
        bus_port=find_free_port(nodes),
        http_port=find_free_port(),
        timings=TIMINGS,
        engines=2,
        gateways=2,
        nodes=nodes,
    )


async def run(folder: Path, settings: ChaosSettings, nodes: int = 1) -> ChaosResult:
    stack = stack_settings(folder, nodes)
    with stack.data.hold():
        return await run_chaos(stack, settings, progress=print)


@pytest.mark.timeout(900)
async def test_invariants_hold_over_five_minutes_of_kills_and_pauses(tmp_path: Path) -> None:
    result = await run(tmp_path, ChaosSettings(seed=1, minutes=5, every_s=3.0, pause_s=15.0))

    assert result.violations == {name: [] for name in result.violations}
    assert set(result.kills) == set(all_targets(stack_settings(tmp_path, nodes=1)))
    assert result.pauses


@pytest.mark.timeout(600)
async def test_invariants_hold_when_a_cluster_loses_its_leaders(tmp_path: Path) -> None:
    result = await run(tmp_path, ChaosSettings(seed=1, kills=14, every_s=4.0), nodes=3)

    assert result.violations == {name: [] for name in result.violations}
    assert {"bus-1", "bus-2", "bus-3"} <= set(result.kills)
