"""Every scenario on a real stack: what each guard does when it matters."""

from pathlib import Path

import pytest

from cli.config.file import DEFAULT_FILE, load
from cli.stack.data_dir import DataDir
from lab.scenarios.plays import PLAYS
from lab.scenarios.runner import Scenario, perform


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)
async def test_it_goes_as_it_should(play: Scenario, tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with data.hold():
        verdict = await perform(play, load(DEFAULT_FILE), data)

    assert verdict.problems == []
