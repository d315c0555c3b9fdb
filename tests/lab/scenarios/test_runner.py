"""Every scenario on a real stack."""

from pathlib import Path

import pytest

from cli.config.file import DEFAULT_FILE, load
from cli.stack.data_dir import DataDir
from lab.scenarios import SCENARIOS
from lab.scenarios.processes import run_on_processes
from lab.scenarios.runner import Scenario


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_scenario_passes(scenario: Scenario, tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with data.hold():
        result = await run_on_processes(scenario, load(DEFAULT_FILE), data)

    assert result.problems == []
