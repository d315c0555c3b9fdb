"""`opensqt status`: the parts, the state of each symbol, and why a symbol is not quoting."""

import argparse
import asyncio
import shutil
from collections.abc import Iterable
from typing import TypeVar

import aiohttp
import msgspec

from bus import Bus, BusError, PartState, PartsView, PartView, StreamGone, last_per_subject, read_parts
from bus.client.jetstream import StreamInfo, parse_time_ns
from bus.client.jetstream_api import LOOKUP_TIMEOUT_S
from bus.commands import traded_symbols
from cli import parser as arguments
from cli.background import run_main
from cli.inspect.alerts import recent_alerts
from cli.inspect.assignments import fetch_assignments
from cli.inspect.status_report import DiskSpace, MarketPrice, PartStatus, Status, SymbolBlocked, report
from cli.program import program
from cli.stack.connection import BusAddress, BusPlace, connect_to_bus, locate_bus
from cli.stack.data_dir import DataDir
from schemas.codec import FormatTooNew, UndecodableError, decode_as, try_decode
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.view import GridView
from schemas.parts import PartHeartbeat
from schemas.subjects import ALL, Stream, all_parts
from schemas.units import SECOND_NS
from schemas.venue.market import Ticker

E = TypeVar("E", bound=msgspec.Struct)

DESCRIPTION = (
    "Show the parts, the state of each symbol, and why a symbol is not quoting. The exit code is 0 when nothing is wrong; "
    "1 when a part is silent, missing or reports a problem, a venue or the bus does not answer, a symbol is quarantined "
    "or cannot be read, the disk is almost full, or nothing runs."
)
HTTP_TIMEOUT_S = 1.0
SENDING = {PartState.OK, PartState.DEGRADED}
TICKERS = "market.*.*.ticker"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define --json and how to find the bus."""
    arguments.add_bus_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Print the status."""
    address = locate_bus(BusPlace(options.bus_url, options.data_dir, options.bus_context))
    return run_main(lambda: status(address, as_json=options.json), is_quiet=True)


async def status(address: BusAddress, *, as_json: bool) -> int:
    """Print the status. Return 1 when something is wrong: see `DESCRIPTION`.

    Raises: CommandError when there is no bus, or it does not answer.
    """
    async with connect_to_bus(address, "status") as bus:
        found = msgspec.structs.replace(await collect(bus, address.data), bus_note=address.note)
    command = f"{program()} control{address.option}"
    print(msgspec.json.encode(found).decode() if as_json else report(found, command))
    return 1 if found.is_wrong else 0


async def collect(bus: Bus, data: DataDir | None = None) -> Status:
    """Query the bus, and the assignments of the engines and gateways that send heartbeats."""
    (view, heartbeats), (grids, problems), (limits, _), alerts, prices, stored = await asyncio.gather(
        _parts(bus),
        last_events(bus, Stream.JOURNAL, "journal.*.*.grid", GridView),
        last_events(bus, Stream.JOURNAL, f"journal.*.{ALL}.limits", PortfolioLimits),
        recent_alerts(bus),
        _prices(bus),
        _stored_bytes(bus),
    )
    parts = [_part_status(part, heartbeats.get((part.kind, part.name))) for part in view.parts]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)) as session:
        assignments = await asyncio.gather(
            *(fetch_assignments(part.name, part.address, session) for part in parts if part.is_alive)
        )
    return Status(
        bus=bus.url,
        parts=tuple(parts),
        grids=tuple(sorted(grids, key=lambda grid: (grid.venue, grid.symbol))),
        standings=tuple(assignment for of_part in assignments for assignment in of_part),
        limits=tuple(each for each in limits if each.venue == ALL) or tuple(limits),
        alerts=tuple(alerts),
        problems=tuple(problems),
        prices=tuple(prices),
        blocked=tuple(_blocked(view, grids)),
        disk=None if data is None else _disk_space(data, stored),
    )


async def last_events(
    bus: Bus, stream: Stream, subject: str, event_type: type[E]
) -> tuple[list[E], list[str]]:
    """Return the last event of each matching subject of a stream, and a sentence for each that needs a newer program.

    Other events that cannot be decoded are skipped.
    """
    events: list[E] = []
    problems: list[str] = []
    for received in await last_per_subject(bus, stream, (subject,)):
        try:
            events.append(decode_as(received.data, event_type))
        except FormatTooNew as error:
            problems.append(str(error))
        except UndecodableError:
            continue
    return events, problems


async def _parts(bus: Bus) -> tuple[PartsView, dict[tuple[str, str], PartHeartbeat]]:
    """Return the state of all parts, and the newest heartbeats, by kind and name."""
    view = await read_parts(bus, await traded_symbols(bus))
    try:
        heartbeats, _ = await last_events(bus, Stream.PARTS, all_parts(), PartHeartbeat)
    except StreamGone:
        return view, {}
    return view, {(each.kind, each.name): each for each in heartbeats}


def _part_status(part: PartView, heartbeat: PartHeartbeat | None) -> PartStatus:
    up_ns = None if heartbeat is None else heartbeat.time - heartbeat.started_time
    return PartStatus(
        name=part.kind,
        known_as=part.name,
        health=part.state,
        age_s=None if part.age_ns is None else part.age_ns / SECOND_NS,
        up_s=None if up_ns is None or part.state not in SENDING else max(up_ns / SECOND_NS, 0.0),
        address="" if heartbeat is None else heartbeat.address,
        problems=() if heartbeat is None else heartbeat.problems,
        detail=part.detail,
        remedy=part.remedy,
        is_wrong=part.is_wrong,
    )


def _blocked(view: PartsView, grids: Iterable[GridView]) -> Iterable[SymbolBlocked]:
    for grid in grids:
        blocked = view.blocked(grid.venue, grid.symbol)
        if blocked is not None:
            yield SymbolBlocked(
                venue=grid.venue, symbol=grid.symbol, reason=blocked.reason, detail=blocked.detail
            )


async def _prices(bus: Bus) -> list[MarketPrice]:
    """Return the newest price of each market and its age by the bus's clock."""
    stored = await last_per_subject(bus, Stream.MARKET, (TICKERS,))
    info = await bus.api(f"STREAM.INFO.{Stream.MARKET}", None, StreamInfo, LOOKUP_TIMEOUT_S)
    now_ns = parse_time_ns(info.ts)
    found = ((try_decode(message.data, Ticker), message.time_ns) for message in stored)
    return [
        MarketPrice(
            venue=ticker.venue,
            symbol=ticker.symbol,
            price=ticker.last,
            age_s=max((now_ns - time_ns) / SECOND_NS, 0.0),
        )
        for ticker, time_ns in found
        if ticker is not None
    ]


async def _stored_bytes(bus: Bus) -> int | None:
    """Return how much the bus stores on disk; None if it does not say."""
    try:
        return (await bus.api("INFO", None, _AccountInfo, LOOKUP_TIMEOUT_S)).storage
    except BusError:
        return None


def _disk_space(data: DataDir, stored: int | None) -> DiskSpace | None:
    try:
        return DiskSpace(path=str(data.root), free=shutil.disk_usage(data.root).free, stored=stored)
    except OSError:
        return None


class _AccountInfo(msgspec.Struct, frozen=True):
    storage: int = 0
