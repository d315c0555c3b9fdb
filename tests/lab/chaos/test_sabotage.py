"""The chaos test itself: deliberately broken protocols violate the expected invariant."""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cli.config.file import DEFAULT_FILE, load
from cli.stack.data_dir import DataDir
from cli.stack.ports import find_free_port
from cli.stack.process import module_command
from cli.stack.stack import StackSettings
from lab.chaos.runner import ChaosSettings, run_chaos, with_volatile_market

SABOTAGE = str(Path(__file__).parent / "sabotage.py")

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


def sabotaged(part: str, name: str) -> Callable[..., tuple[str, ...]]:
    """Return a program factory that runs one kind of process under the sabotage `name`."""

    def program(module: str, *arguments: str) -> tuple[str, ...]:
        if part in (module, *arguments[:1]):
            return (sys.executable, SABOTAGE, name, module, *arguments)
        return module_command(module, *arguments)

    return program


async def violated(folder: Path, program: Callable[..., tuple[str, ...]] = module_command) -> set[str]:
    """Return the invariants that a short run of one symbol violates."""
    configuration = with_volatile_market(load(DEFAULT_FILE))
    stack_settings = StackSettings(
        configuration=msgspec.structs.replace(configuration, symbols=configuration.symbols[:1]),
        data=DataDir(folder),
        bus_port=find_free_port(),
        http_port=find_free_port(),
        engines=2,
        gateways=2,
        program=program,
    )
    with stack_settings.data.hold():
        result = await run_chaos(stack_settings, ChaosSettings(seed=1, kills=1, every_s=1.0), progress=print)
    return {name for name, found in result.violations.items() if found}


async def test_engines_without_fencing_are_found(tmp_path: Path) -> None:
    assert "steps form one chain" in await violated(tmp_path, sabotaged("engine", "without_fencing"))


async def test_gateways_without_fencing_are_found(tmp_path: Path) -> None:
    broken = await violated(tmp_path, sabotaged("gateway", "without_fencing"))
    assert {"no order id was sent twice", "intents form one chain"} <= broken


async def test_order_ids_made_from_the_clock_are_found(tmp_path: Path) -> None:
    broken = await violated(tmp_path, sabotaged("engine", "order_ids_from_clock"))
    assert "each step is reproducible from its causes" in broken


async def test_a_gateway_that_sends_before_it_commits_is_found(tmp_path: Path) -> None:
    broken = await violated(tmp_path, sabotaged("gateway", "send_before_commit"))
    assert "every order was committed before it was sent" in broken


async def test_an_engine_that_publishes_before_it_commits_is_found(tmp_path: Path) -> None:
    broken = await violated(tmp_path, sabotaged("engine", "publish_before_commit"))
    assert "every event was committed before it was published" in broken


@pytest.mark.parametrize("part", ["engine", "gateway"])
async def test_fencing_alone_suffices_without_leases(tmp_path: Path, part: str) -> None:
    assert await violated(tmp_path, sabotaged(part, "without_leases")) == set()


async def test_the_same_run_without_sabotage_holds(tmp_path: Path) -> None:
    assert await violated(tmp_path) == set()
