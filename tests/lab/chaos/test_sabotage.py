"""The laboratory itself: with the protocol broken on purpose it finds what contradicts which proof."""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cli.config.file import DEFAULT_FILE, load
from cli.stack.data_dir import DataDir
from cli.stack.ports import any_free
from cli.stack.process import python
from cli.stack.stack import StackSettings
from lab.chaos.runner import Trial, experiment, lively

SABOTAGE = str(Path(__file__).parent / "sabotage.py")

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


def sabotaged(part: str, how: str) -> Callable[..., tuple[str, ...]]:
    """Return how parts are started, one kind of them broken."""

    def program(module: str, *arguments: str) -> tuple[str, ...]:
        if part in (module, *arguments[:1]):
            return (sys.executable, SABOTAGE, how, module, *arguments)
        return python(module, *arguments)

    return program


async def broken_proofs(folder: Path, program: Callable[..., tuple[str, ...]] = python) -> set[str]:
    """Return the proofs that do not hold of a short run of one symbol."""
    configuration = lively(load(DEFAULT_FILE))
    settings = StackSettings(
        configuration=msgspec.structs.replace(configuration, symbols=configuration.symbols[:1]),
        data=DataDir(folder),
        bus_port=any_free(),
        http_port=any_free(),
        engines=2,
        gateways=2,
        program=program,
    )
    with settings.data.hold():
        outcome = await experiment(settings, Trial(seed=1, kills=1, every_s=1.0), say=print)
    return {name for name, found in outcome.contradictions.items() if found}


async def test_engines_without_a_fence_are_found(tmp_path: Path) -> None:
    assert "steps form one chain" in await broken_proofs(tmp_path, sabotaged("engine", "unfenced"))


async def test_gateways_without_a_fence_are_found(tmp_path: Path) -> None:
    broken = await broken_proofs(tmp_path, sabotaged("gateway", "unfenced"))
    assert {"no id was sent twice", "intents form one chain"} <= broken


async def test_ids_with_a_clock_in_them_are_found(tmp_path: Path) -> None:
    broken = await broken_proofs(tmp_path, sabotaged("engine", "clock_in_ids"))
    assert "each step follows from its causes" in broken


async def test_a_gateway_that_sends_before_it_commits_is_found(tmp_path: Path) -> None:
    broken = await broken_proofs(tmp_path, sabotaged("gateway", "send_first"))
    assert "nothing was sent that was not committed" in broken


async def test_an_engine_that_speaks_before_it_commits_is_found(tmp_path: Path) -> None:
    broken = await broken_proofs(tmp_path, sabotaged("engine", "speak_first"))
    assert "nothing was said that was not committed" in broken


@pytest.mark.parametrize("part", ["engine", "gateway"])
async def test_without_leases_the_fence_alone_holds(tmp_path: Path, part: str) -> None:
    assert await broken_proofs(tmp_path, sabotaged(part, "unleased")) == set()


async def test_without_sabotage_the_same_run_holds(tmp_path: Path) -> None:
    assert await broken_proofs(tmp_path) == set()
