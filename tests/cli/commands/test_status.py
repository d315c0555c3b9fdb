"""What runs, asked and told."""

import os
from contextlib import AsyncExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
import pytest

from bus import Bus, open_service
from cli.commands.status import (
    DEFAULT_URL,
    PartStatus,
    Status,
    bus_url,
    collect,
    length,
    reached,
    report,
)
from cli.errors import CommandError
from cli.inspect.assignments import Standing, engine_of
from cli.stack.data_dir import DataDir, RunRecord
from engine.core.view import view
from schemas import subjects
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.view import GridView, NotQuoting
from tests.cli.events import SYMBOL, VENUE, grid_state
from tests.schemas.examples import EXAMPLES


def grid(**changes: object) -> GridView:
    return msgspec.structs.replace(view(grid_state(), 1, Decimal(100)), **changes)


async def test_a_part_that_runs_is_found_with_its_address_and_health(bus: Bus) -> None:
    async with open_service("engine", bus_url=bus.url, http_port=0, labels={}) as here:
        (found,) = (await collect(bus)).parts

    assert (found.name, found.address, found.health) == ("engine", here.http_address, "ok")
    assert found.up_s is not None
    assert found.up_s < 60


async def test_what_is_wrong_with_a_part_is_told(bus: Bus) -> None:
    async with open_service("engine", bus_url=bus.url, http_port=0, labels={}) as here:
        here.report("actors", lambda: {"problem": "stuck"})
        found = await collect(bus)

    assert "engine: actors: stuck" in report(found).splitlines()


async def test_the_newest_grid_of_each_symbol_is_found(bus: Bus) -> None:
    for number in (1, 2):
        await bus.store(subjects.grid(VENUE, SYMBOL), grid(step=number))

    assert [each.step for each in (await collect(bus)).grids] == [2]


def test_a_symbol_that_does_not_quote_says_why() -> None:
    found = Status(bus="nats://x", parts=(), grids=(grid(not_quoting=NotQuoting.MARGIN_LOCKED),))

    table, _, why = report(found).splitlines()[-3:]
    assert table.endswith("no: margin locked")
    assert why.startswith(f"{SYMBOL}: The venue refused an order for lack of margin. It tries again after")


def test_what_the_guard_says_is_told_too() -> None:
    stopped = grid(not_quoting=NotQuoting.STOPPED, not_quoting_detail="by ann: lunch")
    found = Status(bus="nats://x", parts=(), grids=(stopped,))

    assert "no order of ours is out: by ann: lunch. control resume" in report(found)


def test_what_a_preflight_refused_is_told_in_full() -> None:
    waiting = grid(not_quoting=NotQuoting.PREFLIGHT, not_quoting_detail="balance refused: 0 USDT")
    found = Status(bus="nats://x", parts=(), grids=(waiting,))

    told = report(found).splitlines()[-1]
    assert told.startswith(
        f"{waiting.symbol}: The check before the first order refused it: balance refused: 0 USDT."
    )


def test_nothing_running_is_told() -> None:
    assert report(Status(bus="nats://x", parts=(), grids=())).splitlines()[2:] == [
        "no part answers: start them with `opensqt up`",
        "",
        "no symbol has a grid yet",
    ]


def test_parts_are_told_in_columns() -> None:
    one = PartStatus(name="engine", up_s=61.0, address="http://a", health="ok")

    assert "engine  1 min 1 s  ok      http://a" in report(Status(bus="nats://x", parts=(one,), grids=()))


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.4, "0 s"), (61, "1 min 1 s"), (3600, "1 h 0 s"), (90061, "1 d 1 h")]
)
def test_a_length_of_time_is_told_in_two_units(seconds: float | None, text: str) -> None:
    assert length(seconds) == text


def test_the_bus_is_where_up_says(tmp_path: Path) -> None:
    assert bus_url(None, tmp_path) == DEFAULT_URL
    record = RunRecord(pid=os.getpid(), bus_url="nats://there", venue_url="", pages=(), logs="")
    DataDir(tmp_path).write(record)
    assert bus_url(None, tmp_path) == "nats://there"
    assert bus_url("nats://asked", tmp_path) == "nats://asked"


@pytest.mark.parametrize("url", ["nats://127.0.0.1:1", "nonsense", "nats://:x"])
async def test_a_bus_that_is_not_there_is_told(url: str) -> None:
    with pytest.raises(CommandError, match="start one with `opensqt up`"):
        async with reached(url, "test"):
            pass


async def test_who_runs_a_symbol_is_told_over_several_engines(bus: Bus) -> None:
    key = subjects.registry_key(VENUE, SYMBOL)
    standings = {"one": "held by two", "two": "running here"}
    await bus.store(subjects.grid(VENUE, SYMBOL), grid(not_quoting=None))
    async with AsyncExitStack() as stack:
        for name, standing in standings.items():
            said = {"name": name, "symbols": {key: {"standing": standing}}}
            engine = open_service("engine", bus_url=bus.url, http_port=0, labels={"name": name})
            here = await stack.enter_async_context(engine)
            here.report("engine", partial(dict, said))
        found = await collect(bus)

    assert sorted(one.standing for one in found.standings) == ["held by two", "running here"]
    assert report(found).splitlines()[-1].split()[-2:] == ["two", "yes"]
    assert "engine two" in report(found)


def test_a_symbol_that_is_quarantined_names_its_engine() -> None:
    aside = Standing(part="engine", name="one", symbol="sim.X", standing="quarantined", problem="poisoned")
    waits = Standing(part="engine", name="two", symbol="sim.X", standing="held by one")
    assert engine_of("sim.X", [waits, aside]) == "one, quarantined"
    assert (engine_of("sim.X", [waits]), engine_of("sim.Y", [waits])) == ("waiting", "-")


async def test_what_all_symbols_hold_together_is_told(bus: Bus) -> None:
    limits = next(event for event in EXAMPLES if isinstance(event, PortfolioLimits))
    await bus.store(subjects.limits(limits.venue), limits)
    found = await collect(bus)

    assert found.limits == (limits,)
    assert f"{limits.venue}: exposure {limits.exposure:.2f} of {limits.max_exposure:f}" in report(found)
