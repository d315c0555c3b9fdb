"""The laboratory: what dies when, and a whole run of it."""

from pathlib import Path

import pytest

from opensqt.config import DEFAULT_FILE, load
from opensqt.data_dir import DataDir
from opensqt.listening import any_free
from opensqt.stack import StackSettings
from opensqt.verify.laboratory import TARGETS, Kill, experiment, plan


def test_every_part_dies_once_before_any_dies_again() -> None:
    kills = plan(12, seed=1, pause_s=1.0)
    assert tuple(kill.target for kill in kills[: len(TARGETS)]) == TARGETS
    assert {kill.target for kill in kills} == set(TARGETS)


def test_a_seed_repeats_its_plan() -> None:
    assert plan(30, seed=5, pause_s=1.0) == plan(30, seed=5, pause_s=1.0)
    assert plan(30, seed=5, pause_s=1.0) != plan(30, seed=6, pause_s=1.0)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_engine_gateway_and_bus_die_and_every_proof_holds(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    kills = [Kill(target, 1.0) for target in ("engine", "gateway", "bus", "account")]
    with data.hold():
        settings = StackSettings(
            configuration=load(DEFAULT_FILE), data=data, bus_port=any_free(), http_port=any_free()
        )
        outcome = await experiment(settings, kills, seed=1, say=print)
    assert outcome.contradictions == {name: [] for name in outcome.contradictions}
    assert sum(outcome.restarts.values()) >= len(kills)
