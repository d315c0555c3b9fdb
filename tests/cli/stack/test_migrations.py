"""Migrations: the data directory of version 0.1 is brought up to date, once, also after an interruption."""

from pathlib import Path

import msgspec
import pytest

from bus import EmbeddedServer, connect, provision
from cli.errors import CommandError
from cli.stack import migrations
from cli.stack.data_dir import DATA_FORMAT, DataDir
from cli.stack.migrations import Migration, Report, migrate
from producers.simulated.server.store import Store
from schemas import subjects
from schemas.engine.journal import Step
from schemas.formats import STATE_VERSION
from schemas.subjects import Stream
from tests.builders import BTC, SIM
from tests.schemas.examples import EXAMPLES

STEP = next(each for each in EXAMPLES if isinstance(each, Step))


async def old_directory(root: Path, *, minimum_reader: int = 1) -> DataDir:
    """Make a directory of format 1 with one step."""
    data = DataDir(root)
    Store(data.venue_store).close()
    async with EmbeddedServer(data.bus) as server, connect(server.url, name="test") as bus:
        await provision(bus)
        step = msgspec.structs.replace(STEP, minimum_reader=minimum_reader)
        await bus.store(subjects.step(SIM, BTC), step)
        await bus.api(f"STREAM.DELETE.{Stream.ALERTS}", None, dict)
    return data


async def test_a_directory_is_migrated_once(tmp_path: Path) -> None:
    data = await old_directory(tmp_path)
    told: list[str] = []

    assert [await migrate(data, told.append), await migrate(data, told.append)] == [1, 0]

    assert "  bus: the last step of 1 journals can be read" in told
    async with EmbeddedServer(data.bus) as server, connect(server.url, name="test") as bus:
        assert await bus.last_sequence(Stream.ALERTS) == 0


async def test_an_interrupted_migration_continues_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = DataDir(tmp_path)
    data.bus.mkdir()
    ran: list[int] = []

    async def first(_: DataDir, __: Report) -> None:
        ran.append(1)

    async def second(_: DataDir, __: Report) -> None:
        ran.append(2)
        if ran.count(2) == 1:
            raise CommandError("interrupted")

    steps = (Migration(DATA_FORMAT - 1, first), Migration(DATA_FORMAT, second))
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    data.write_format(DATA_FORMAT - 2)
    with pytest.raises(CommandError, match="interrupted"):
        await migrate(data, ignore)
    await migrate(data, ignore)

    assert ran == [1, 2, 2]


def ignore(_: str) -> None:
    """Ignore a report."""


async def test_a_journal_that_is_too_new_ends_the_migration(tmp_path: Path) -> None:
    data = await old_directory(tmp_path, minimum_reader=STATE_VERSION + 1)

    with pytest.raises(CommandError, match="this step of sim BTC/USDT:USDT was written by a newer version"):
        await migrate(data, ignore)

    found = data.format()
    assert found is not None
    assert found.format == 1


async def test_a_directory_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no data"):
        await migrate(DataDir(tmp_path), ignore)
