"""`opensqt status`: what runs, what each symbol does, and why one does not quote."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bus import Bus, connect
from cli.console import table
from cli.errors import CommandError
from cli.inspect.assignments import Standing, engine_of, standings_of
from cli.inspect.discovery import NatsService, discover
from cli.stack.data_dir import DataDir, default_data_dir
from schemas.codec import UndecodableError, decode_as
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.reasons import words
from schemas.grid.view import GridView, NotQuoting
from schemas.subjects import ALL, Stream, registry_key

E = TypeVar("E", bound=msgspec.Struct)

DEFAULT_URL = "nats://127.0.0.1:4222"
REACH_S = 2.0
"""How long a bus has to answer."""


class PartStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One part that answered."""

    name: str
    up_s: float | None
    address: str
    health: str
    problems: tuple[str, ...] = ()
    known_as: str = ""
    """What others of its kind know it by; empty when there is only ever one."""


class _Health(msgspec.Struct, frozen=True):
    status: str
    problems: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """All that `status` knows."""

    bus: str
    parts: tuple[PartStatus, ...]
    grids: tuple[GridView, ...]
    standings: tuple[Standing, ...] = ()
    limits: tuple[PortfolioLimits, ...] = ()
    """Of each venue, over all its symbols."""


def bus_url(asked: str | None, data_dir: Path | None) -> str:
    """Return where the bus is: as asked for, else where `up` says in the data directory, else the usual place."""
    if asked is not None:
        return asked
    record = DataDir(data_dir or default_data_dir()).read()
    return record.bus_url if record is not None else DEFAULT_URL


def running_url(asked: str | None, data_dir: Path | None) -> str | None:
    """Return where the bus is: as asked for, else where `up` says in the data directory, None when none runs."""
    if asked is not None:
        return asked
    record = DataDir(data_dir or default_data_dir()).read()
    return None if record is None else record.bus_url


@asynccontextmanager
async def reached(url: str, name: str) -> AsyncIterator[Bus]:
    """Connect to a bus that has to be there.

    Raises: CommandError when it is not.
    """
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(REACH_S):
                await _knock(url)
                bus = await stack.enter_async_context(connect(url, name=name))
        except (TimeoutError, OSError, ValueError) as error:
            raise CommandError(
                f"no bus at {url}: start one with `opensqt up`, or name another with --bus-url or --data-dir"
            ) from error
        yield bus


async def status(url: str, *, as_json: bool) -> int:
    """Print what runs. Exit code 1 when no part does."""
    async with reached(url, "status") as bus:
        found = await collect(bus)
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        print(report(found))
    return 0 if found.parts else 1


async def collect(bus: Bus) -> Status:
    """Ask everyone."""
    services, grids, limits = await asyncio.gather(
        discover(bus),
        newest(bus, "journal.*.*.grid", GridView),
        newest(bus, f"journal.*.{ALL}.limits", PortfolioLimits),
    )
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as session:
        parts = await asyncio.gather(*(_part(service, session) for service in services))
        said = await asyncio.gather(*(standings_of(part.name, part.address, session) for part in parts))
    standings = tuple(one for each in said for one in each)
    return Status(
        bus=bus.url,
        parts=tuple(parts),
        grids=tuple(sorted(grids, key=lambda grid: (grid.venue, grid.symbol))),
        standings=standings,
        limits=tuple(limits),
    )


async def newest(bus: Bus, subjects: str, kind: type[E]) -> list[E]:
    """Return the newest event of each of these subjects in JOURNAL."""
    found = []
    for received in await bus.last_per_subject(Stream.JOURNAL, [subjects]):
        try:
            found.append(decode_as(received.data, kind))
        except UndecodableError:
            continue  # of a newer version: the others are still worth showing
    return found


def report(found: Status) -> str:
    """Return it for people."""
    lines = [f"bus  {found.bus}", ""]
    if found.parts:
        rows = [[_title(p), length(p.up_s), p.health, p.address] for p in found.parts]
        lines.append(table(["PART", "UP FOR", "HEALTH", "ADDRESS"], rows, frozenset({1})))
        lines += [f"{_title(part)}: {problem}" for part in found.parts for problem in part.problems]
    else:
        lines.append("no part answers: start them with `opensqt up`")
    lines.append("")
    if found.grids:
        lines.append(grids_table(found.grids, found.standings))
        lines += [""] * any(grid.not_quoting for grid in found.grids)
        lines += [why_not(grid, grid.not_quoting) for grid in found.grids if grid.not_quoting]
    else:
        lines.append("no symbol has a grid yet")
    lines += [limits_line(each) for each in found.limits if each.max_exposure or each.reason]
    return "\n".join(lines)


def limits_line(limits: PortfolioLimits) -> str:
    """Return what all symbols of a venue hold together, and what they may not do."""
    of = f" of {limits.max_exposure:f}" if limits.max_exposure else ""
    why = f"; {limits.reason}" if limits.reason else ""
    breaker = limits.breaker.replace("_", "-")
    return f"{limits.venue}: exposure {money(limits.exposure)}{of}, global circuit breaker {breaker}{why}"


def _title(part: PartStatus) -> str:
    return part.known_as if part.known_as.startswith(part.name) else f"{part.name} {part.known_as}".strip()


def grids_table(grids: Sequence[GridView], standings: Sequence[Standing] = ()) -> str:
    """Return the grids in columns, with who runs them where that is known."""
    head = ["SYMBOL", "MODE", "PRICE", "POSITION", "ORDERS", "TRADES", "GRID", "UNPAIRED", "FEES", "TOTAL"]
    rows = [
        [
            grid.symbol,
            grid.mode,
            "-" if grid.price is None else f"{grid.price}",
            f"{grid.position}",
            str(sum(slot.client_order_id is not None for slot in grid.slots)),
            str(grid.opened_trades + grid.closed_trades),
            money(grid.grid_profit),
            money(grid.unpaired_profit),
            money(grid.fees),
            money(grid.total_profit),
            *([engine_of(registry_key(grid.venue, grid.symbol), standings)] if standings else []),
            "yes" if grid.not_quoting is None else f"no: {grid.not_quoting.replace('_', ' ')}",
        ]
        for grid in grids
    ]
    return table([*head, *(["ENGINE"] if standings else []), "QUOTING"], rows, frozenset(range(2, len(head))))


def why_not(grid: GridView, reason: NotQuoting) -> str:
    """Return why a grid is not quoting, and what helps, in a line."""
    told = words(reason, grid.not_quoting_detail)
    return (
        f"{grid.symbol}: {told.says} {told.to_do}"
        if told.says.endswith(".")
        else f"{grid.symbol}: {told.says}. {told.to_do}"
    )


def money(value: Decimal) -> str:
    """Return an amount with two digits after the point."""
    return f"{value:.2f}"


def length(seconds: float | None) -> str:
    """Return a length of time in its two largest units."""
    if seconds is None:
        return "-"
    rest = int(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


async def _part(service: NatsService, session: aiohttp.ClientSession) -> PartStatus:
    address = next((v for v in service.metadata.values() if v.startswith("http://")), "")
    health = await _health(address, session) if address else _Health("-")
    return PartStatus(
        name=service.name,
        up_s=_seconds_since(service.started),
        address=address,
        health=health.status,
        problems=health.problems,
        known_as=service.metadata.get("name", ""),
    )


async def _health(address: str, session: aiohttp.ClientSession) -> _Health:
    try:
        async with session.get(f"{address}/health") as answer:
            return msgspec.json.decode(await answer.read(), type=_Health)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError):
        return _Health("no answer")


def _seconds_since(started: str) -> float | None:
    try:
        return max((datetime.now(UTC) - datetime.fromisoformat(started)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


async def _knock(url: str) -> None:
    parts = urlsplit(url if "//" in url else f"nats://{url}")
    _, writer = await asyncio.open_connection(parts.hostname or "", parts.port or 4222)
    writer.close()
