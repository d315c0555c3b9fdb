"""Data directories of earlier versions are continued: state, orders and money."""

import tarfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cli.config.file import load
from cli.stack.data_dir import DataDir
from lab.scenarios.harness import Harness
from lab.scenarios.processes import running_harness
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.journal import Step, SymbolEntry
from schemas.subjects import Stream
from tests.golden.recorded import OLD, old_messages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def extract(name: str, folder: Path) -> None:
    with tarfile.open(OLD / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")


def last_old_steps() -> dict[str, dict[str, Any]]:
    return {
        each["subject"]: each["data"] for each in old_messages("JOURNAL") if each["data"]["type"] == "Step"
    }


async def last_step(harness: Harness, entry: SymbolEntry) -> Step:
    stored = await harness.stack.bus.last(Stream.JOURNAL, subjects.step(entry.venue, entry.symbol))
    assert stored is not None
    return decode_as(stored.data, Step)


@pytest.mark.parametrize("name", ["stopped", "crashed"])
async def test_a_grid_continues_and_its_accounts_match_the_venue(tmp_path: Path, name: str) -> None:
    extract(name, tmp_path)
    data = DataDir(tmp_path)
    with data.hold():
        async with running_harness(load(OLD / "config.yaml"), data) as harness:
            await harness.next_fill(harness.entries[1].symbol)
            problems = await harness.check_invariants()
            steps = {entry: await last_step(harness, entry) for entry in harness.entries}

    assert problems == {proof: [] for proof in problems}
    for entry, step in steps.items():
        old = last_old_steps()[subjects.step(entry.venue, entry.symbol)]
        assert step.state.anchor == Decimal(old["state"]["anchor"])
        assert step.state.generation == old["state"]["generation"]
        if name == "stopped":
            assert (step.step, step.epoch) > (old["step"], old["epoch"])
            assert step.state.accounts.volume >= Decimal(old["state"]["accounts"]["volume"])


def test_the_recorded_streams_hold_every_kind_of_event() -> None:
    kinds = {
        each["data"].get("type")
        for stream in ("ORDERS", "ENGINE", "CONTROL", "JOURNAL")
        for each in old_messages(stream)
    }

    assert kinds >= {
        *(
            "OrderIntent",
            "OrderReport",
            "Trade",
            "Funding",
            "DecisionMade",
            "Fill",
            "RiskChanged",
            "Reconciled",
        ),
        *("AlertRaised", "Command", "CommandResult", "Step", "GridView", "PortfolioStep", "PortfolioLimits"),
    }
