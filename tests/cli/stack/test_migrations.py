"""Migrations: the data directory of version 0.1 is brought up to date, once, also after an interruption."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bus import EmbeddedServer, connect, provision
from cli.errors import CommandError
from cli.stack import migrations
from cli.stack.data_dir import DATA_FORMAT, DataDir
from cli.stack.migrations import Migration, Report, migrate
from producers.simulated.server.store import STORE_FORMAT, Store
from schemas import earlier_subjects, subjects
from schemas.engine.journal import Step
from schemas.engine.portfolio_journal import PortfolioStep
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


async def test_the_portfolio_of_the_venue_is_continued(tmp_path: Path) -> None:
    data, told = await old_directory(tmp_path), list[str]()
    old = next(each for each in EXAMPLES if isinstance(each, PortfolioStep))
    async with EmbeddedServer(data.bus) as server, connect(server.url, name="test") as bus:
        await bus.store(earlier_subjects.venue_portfolio_step(SIM), msgspec.structs.replace(old, venue=SIM))

    await migrate(data, told.append)

    assert "  bus: the portfolio of sim continues as the portfolio of all venues" in told
    async with EmbeddedServer(data.bus) as server, connect(server.url, name="test") as bus:
        assert await bus.last(Stream.JOURNAL, subjects.portfolio_step()) is not None


async def test_the_stores_of_all_venues_are_versioned(tmp_path: Path) -> None:
    data, told = DataDir(tmp_path), list[str]()
    for path in (data.venue_store, tmp_path / "venue-sim2.sqlite"):
        sqlite3.connect(path).close()

    await migrate(data, told.append)

    assert [line.split(":")[0].strip() for line in told[1:]] == ["venue.sqlite", "venue-sim2.sqlite"]
    with closing(sqlite3.connect(tmp_path / "venue-sim2.sqlite")) as store:
        assert store.execute("PRAGMA user_version").fetchone() == (STORE_FORMAT,)


async def test_a_newer_store_of_a_further_venue_ends_the_migration(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "venue-sim2.sqlite")) as store:
        store.execute(f"PRAGMA user_version = {STORE_FORMAT + 1}")

    with pytest.raises(CommandError, match=r"venue-sim2\.sqlite was written by a newer version"):
        await migrate(DataDir(tmp_path), ignore)


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
