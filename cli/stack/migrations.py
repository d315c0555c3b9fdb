"""Migrations of data directories of earlier versions, one for each format, in order."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bus import (
    Bus,
    BusError,
    EmbeddedServer,
    ServerStartFailed,
    connect,
    last_per_subject,
    provision,
)
from cli.errors import CommandError
from cli.program import program
from cli.stack.data_dir import DATA_FORMAT, DataDir
from engine.portfolio.migration import migrate_portfolio
from producers.simulated.server.store import STORE_FORMAT, Store, StoreUnusable
from schemas.codec import FormatTooNew, UndecodableError, decode
from schemas.subjects import Stream

Report = Callable[[str], None]


@dataclass(frozen=True)
class Migration:
    """The change from the format before `to_format` to `to_format`.

    It may be interrupted and run again: what was done already is left alone.
    """

    to_format: int
    run: Callable[[DataDir, Report], Awaitable[None]]


async def migrate(data: DataDir, report: Report) -> int:
    """Bring a data directory up to date and return the number of migrations that ran. The caller holds its lock.

    The format is recorded after each migration, so an interrupted run continues.
    Raises: CommandError when a newer version wrote the directory, or something in it cannot be read.
    """
    found = data.format()
    if found is None:
        raise CommandError(f"{data.root} has no data: name the directory of a stack with --data-dir")
    if found.format >= DATA_FORMAT:
        data.check_format()
        return 0
    pending = [migration for migration in MIGRATIONS if migration.to_format > found.format]
    for migration in pending:
        report(f"format {migration.to_format}:")
        await migration.run(data, lambda text: report(f"  {text}"))
        data.write_format(migration.to_format)
    return len(pending)


async def _to_format_2(data: DataDir, report: Report) -> None:
    """Version the stores of the venues, create the stream ALERTS, and make one portfolio of those of the venues.

    Before the portfolio is written, every state on the bus is checked: it can be read.
    """
    for store in data.venue_stores():
        _record_store_format(store)
        report(f"{store.name}: format {STORE_FORMAT} recorded")
    if not data.bus.exists():
        return
    async with _running_bus(data) as bus:
        report("bus: streams and buckets are up to date")
        count = await _check_journals(bus)
        report(f"bus: the last step of {count} journals can be read")
        for done in await _migrate_portfolio(bus):
            report(f"bus: {done}")


MIGRATIONS = (Migration(2, _to_format_2),)


def _record_store_format(store: Path) -> None:
    try:
        Store(store).close()
    except StoreUnusable as error:
        raise CommandError(str(error)) from error


@asynccontextmanager
async def _running_bus(data: DataDir) -> AsyncIterator[Bus]:
    try:
        async with (
            EmbeddedServer(data.bus, credentials=data.bus_credentials()) as server,
            connect(server.context, name="migrate") as bus,
        ):
            await provision(bus)
            yield bus
    except ServerStartFailed as error:
        raise CommandError(str(error)) from error


async def _check_journals(bus: Bus) -> int:
    """Return the number of journals.

    Raises: CommandError when the last step of one cannot be read.
    """
    stored = await last_per_subject(bus, Stream.JOURNAL, ("journal.*.*.step",))
    for message in stored:
        try:
            decode(message.data)
        except FormatTooNew as error:
            raise CommandError(str(error)) from error
        except UndecodableError as error:
            raise CommandError(
                f"the last step on {message.subject} (JOURNAL {message.sequence}) cannot be read: {error}"
            ) from error
    return len(stored)


async def _migrate_portfolio(bus: Bus) -> list[str]:
    try:
        return await migrate_portfolio(bus)
    except BusError as error:
        raise CommandError(
            f"the portfolio was not migrated ({error}): run the command again, or start `{program()} up`, which retries it"
        ) from error
