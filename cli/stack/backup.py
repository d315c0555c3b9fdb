"""`opensqt bus backup` and `bus restore`: on a running bus, or on the data directory of a stopped one."""

import os
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bus import Bus, BusError, EmbeddedServer, connect
from bus.backup.backup import Report, back_up
from bus.backup.manifest import Manifest
from bus.backup.restore import Restored, restore, verified_manifest
from bus.client.connections import other_connections
from bus.private_files import private_umask
from cli import __version__
from cli.console import Console, table
from cli.errors import CommandError
from cli.inspect.discovery import discover
from cli.program import data_dir_option, program
from cli.stack.connection import BusPlace, connect_to_bus, locate_bus
from cli.stack.data_dir import DataDir, default_data_dir
from schemas.units import SECOND_NS, TimeNs

OWN_NAME = "bus-backup"
MEBIBYTE = 1024 * 1024


async def back_up_bus(place: BusPlace, directory: Path) -> int:
    """Back up the bus into a new directory and print what it holds.

    Raises: CommandError.
    """
    console = Console()
    async with _bus_at(place, is_restore=False) as bus:
        with _reported_progress(console) as report:
            manifest = await back_up(bus, directory, __version__, report)
    console.print(contents_table(manifest))
    console.print(f"backup of {bus.url} in {directory}, {_size(manifest)}")
    console.print(
        f"restore it with: {program()} bus restore {shlex.quote(str(directory))}{_data_dir_option(place)}"
    )
    return 0


async def restore_bus(place: BusPlace, directory: Path, *, is_forced: bool, has_safety_copy: bool) -> int:
    """Replace the streams of the bus by those of a backup, and print what to do next.

    Raises: CommandError when the backup is damaged, parts are connected, or a stream was not restored.
    """
    console = Console()
    try:
        manifest = verified_manifest(directory)
    except BusError as error:
        raise CommandError(f"{error}; nothing was changed") from error
    console.print(f"{directory}: backup of {time_text(manifest.time)}, {_size(manifest)}, undamaged")
    async with _bus_at(place, is_restore=True) as bus:
        await _check_unused(bus, console, is_forced=is_forced)
        safety = directory.parent / f"{directory.name}.replaced-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        if has_safety_copy and await _has_streams(bus):
            with _reported_progress(console) as report:
                await back_up(bus, safety, __version__, report)
            console.print(f"the present streams were saved in {safety}")
        with _reported_progress(console) as report:
            restored = await restore(bus, directory, manifest, report)
    console.print(contents_table(manifest))
    for line in next_steps(restored, place):
        console.print(line)
    return 0


def contents_table(manifest: Manifest) -> str:
    """Return the streams of a backup as a table."""
    rows = []
    for each in manifest.streams:
        state = each.contents
        rows.append(
            [each.name, str(state.messages), str(state.first_seq), str(state.last_seq), f"{each.size:,}"]
        )
    return table(["STREAM", "MESSAGES", "FIRST", "LAST", "BYTES"], rows, frozenset({1, 2, 3, 4}))


def next_steps(restored: Restored, place: BusPlace) -> list[str]:
    """Return what was restored and what the operator should do next, one line each."""
    lines = [f"left as they are, because the backup does not have them: {', '.join(restored.kept)}"] * bool(
        restored.kept
    )
    symbols = ", ".join(f"{each.venue} {each.symbol}" for each in restored.entries) or "none"
    lines.append(f"restored; registered symbols: {symbols}")
    lines += [
        f"warning: {key} is not in the backup and is no longer registered: its orders at the venue stay open; "
        f"cancel them there, or add the symbol again with: {program()} control add"
        for key in restored.unregistered
    ]
    start = "the parts" if place.is_named else f"`{program()} up{_data_dir_option(place)}`"
    lines.append(
        f"next: start {start}. Each symbol first reads its orders and trades from the venue and quotes afterwards; "
        f"`{program()} status` shows `resyncing` until then. Compare position and orders with the venue."
    )
    return lines


def time_text(time_ns: TimeNs) -> str:
    """Return a time such as `2026-11-27 18:40:12 UTC`."""
    return f"{datetime.fromtimestamp(time_ns / SECOND_NS, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _data_dir_option(place: BusPlace) -> str:
    return data_dir_option(place.data_dir)


async def _check_unused(bus: Bus, console: Console, *, is_forced: bool) -> None:
    connected = await other_connections(bus)
    if not connected:
        # The server does not list connections, or those of this account alone: ask the parts themselves.
        connected = [f"{each.name} {each.metadata.get('name', '')}".strip() for each in await discover(bus)]
    if not connected:
        return
    names = ", ".join(sorted(set(connected)))
    if not is_forced:
        raise CommandError(
            f"these parts are connected to {bus.url}: {names}; stop them first, or use --force. Nothing was changed"
        )
    console.print(f"warning: connected while the streams are replaced: {names}")


@asynccontextmanager
async def _bus_at(place: BusPlace, *, is_restore: bool) -> AsyncIterator[Bus]:
    """Connect to the bus; start it for the duration if its data directory is not in use.

    Raises: CommandError.
    """
    async with AsyncExitStack() as stack:
        data = DataDir(place.data_dir or default_data_dir())
        if place.is_named or data.read() is not None:
            yield await stack.enter_async_context(connect_to_bus(locate_bus(place), OWN_NAME))
            return
        _check_data_dir(data, is_restore=is_restore)
        if not data.root.is_dir():
            Console().print(f"{data.root} does not exist: it is created")
        data.check_format()
        # A backup, for instance before an upgrade, leaves the format as it is.
        stack.enter_context(data.hold() if is_restore else data.hold_any_format())
        stack.enter_context(private_umask())
        # Syncing each of the restored messages would take hours; all of them are synced at the end.
        stack.callback(os.sync)
        server = EmbeddedServer(data.bus, credentials=data.bus_credentials(), sync_always=False)
        await stack.enter_async_context(server)
        yield await stack.enter_async_context(connect(server.context, name=OWN_NAME))


def _check_data_dir(data: DataDir, *, is_restore: bool) -> None:
    if not is_restore and not data.bus.is_dir():
        raise CommandError(f"{data.root} has no bus: choose another directory with --data-dir, or --bus-url")
    if any(path.is_dir() for path in data.root.glob("bus-*")):
        raise CommandError(f"{data.root} has a bus of several servers: start it, and use --bus-url")


async def _has_streams(bus: Bus) -> bool:
    names = (await bus.api("STREAM.NAMES", None, dict)).get("streams")
    return bool(names)


@contextmanager
def _reported_progress(console: Console) -> Iterator[Report]:
    """Yield a function that shows the progress of a stream.

    Raises: CommandError for the errors of the bus and of files.
    """

    def report(stream: str, size: int) -> None:
        console.progress(f"{stream}: {size / MEBIBYTE:.1f} MiB")

    try:
        yield report
    except BusError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    finally:
        console.end_progress()


def _size(manifest: Manifest) -> str:
    return f"{sum(each.size for each in manifest.streams) / MEBIBYTE:.1f} MiB"
