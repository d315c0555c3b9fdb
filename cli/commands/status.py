"""`opensqt status`: running parts, the state of each symbol, and why a symbol is not quoting."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import aiohttp
import msgspec

from bus import Bus, last_per_subject
from cli import parser as arguments
from cli.background import run_main
from cli.console import table
from cli.inspect.alerts import recent_alerts
from cli.inspect.assignments import SymbolAssignment, engine_label, fetch_assignments
from cli.inspect.discovery import DiscoveredService, discover
from cli.stack.connection import bus_url, connect_to_bus
from schemas.codec import INVALID_JSON, FormatTooNew, UndecodableError, decode_as
from schemas.engine.events import AlertRaised
from schemas.engine.portfolio import BucketLimits, PortfolioLimits
from schemas.grid.reasons import explain
from schemas.grid.view import GridView, NotQuoting
from schemas.subjects import ALL, Stream, escape, registry_key
from schemas.units import SECOND_NS
from schemas.venue.fees import before_fees

E = TypeVar("E", bound=msgspec.Struct)

DESCRIPTION = "Show running parts, the state of each symbol, and why a symbol is not quoting."
HTTP_TIMEOUT_S = 1.0


class PartStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A part, a process of the stack, that answered on the bus."""

    name: str
    """Kind of the part, such as `engine`."""
    up_s: float | None
    """Time since its start; None if unknown."""
    address: str
    """URL of its HTTP server; empty without one."""
    health: str
    """`status` of its /health, `no answer`, or `-` without an address."""
    problems: tuple[str, ...] = ()
    known_as: str = ""
    """The instance's name among parts of the same kind; empty for a single instance."""


class _Health(msgspec.Struct, frozen=True):
    status: str
    problems: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The output of `status --json`."""

    bus: str
    parts: tuple[PartStatus, ...]
    grids: tuple[GridView, ...]
    standings: tuple[SymbolAssignment, ...] = ()
    """The state of each symbol in each engine and gateway that answered."""
    limits: tuple[PortfolioLimits, ...] = ()
    """The limits over all symbols; those of each venue while an engine of version 0.1 runs."""
    alerts: tuple[AlertRaised, ...] = ()
    """The newest alerts of the last day that have not ended, oldest first."""
    problems: tuple[str, ...] = ()
    """Symbols whose state needs a newer program."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define --json and how to find the bus."""
    arguments.add_bus_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Print the status."""
    url = bus_url(options.bus_url, options.data_dir)
    return run_main(lambda: status(url, as_json=options.json), is_quiet=True)


async def status(url: str, *, as_json: bool) -> int:
    """Print the status. Return 1 when no part is running.

    Raises: CommandError when there is no bus.
    """
    async with connect_to_bus(url, "status") as bus:
        found = await collect(bus)
    print(msgspec.json.encode(found).decode() if as_json else report(found))
    return 0 if found.parts else 1


async def collect(bus: Bus) -> Status:
    """Query the bus and the HTTP endpoints of all parts."""
    services, (grids, problems), (limits, _), alerts = await asyncio.gather(
        discover(bus),
        last_events(bus, "journal.*.*.grid", GridView),
        last_events(bus, f"journal.*.{ALL}.limits", PortfolioLimits),
        recent_alerts(bus),
    )
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)) as session:
        parts = await asyncio.gather(*(_part_status(service, session) for service in services))
        assignments = await asyncio.gather(
            *(fetch_assignments(part.name, part.address, session) for part in parts)
        )
    return Status(
        bus=bus.url,
        parts=tuple(parts),
        grids=tuple(sorted(grids, key=lambda grid: (grid.venue, grid.symbol))),
        standings=tuple(assignment for of_part in assignments for assignment in of_part),
        limits=tuple(each for each in limits if each.venue == ALL) or tuple(limits),
        alerts=tuple(alerts),
        problems=tuple(problems),
    )


async def last_events(bus: Bus, subject: str, event_type: type[E]) -> tuple[list[E], list[str]]:
    """Return the last event of each matching subject of JOURNAL, and a sentence for each that needs a newer program.

    Other events that cannot be decoded are skipped.
    """
    events: list[E] = []
    problems: list[str] = []
    for received in await last_per_subject(bus, Stream.JOURNAL, (subject,)):
        try:
            events.append(decode_as(received.data, event_type))
        except FormatTooNew as error:
            problems.append(str(error))
        except UndecodableError:
            continue
    return events, problems


def report(found: Status) -> str:
    """Return the status as text."""
    lines = [f"bus  {found.bus}", ""]
    if found.parts:
        rows = [[_title(p), duration_text(p.up_s), p.health, p.address] for p in found.parts]
        lines.append(table(["PART", "UP FOR", "HEALTH", "ADDRESS"], rows, frozenset({1})))
        lines += [f"{_title(part)}: {problem}" for part in found.parts for problem in part.problems]
    else:
        lines.append("no part is running: start the stack with `opensqt up`")
    lines.append("")
    if found.grids:
        lines.append(grids_table(found.grids, found.standings))
        lines += [""] * any(grid.not_quoting for grid in found.grids)
        lines += [not_quoting_line(grid, grid.not_quoting) for grid in found.grids if grid.not_quoting]
        lines += [position_line(grid) for grid in found.grids if grid.venue_position is not None]
    elif not found.problems:
        lines.append("no symbol has a grid yet")
    lines += found.problems
    lines += [line for each in found.limits for line in limits_lines(each)]
    if found.alerts:
        lines += ["", "alerts of the last day:", *map(alert_line, found.alerts)]
    return "\n".join(lines)


def alert_line(alert: AlertRaised) -> str:
    """Return time, severity, symbol, code and text of an alert in one line."""
    clock = datetime.fromtimestamp(alert.time / SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M:%S")
    code = alert.code.replace("_", " ")
    return f"  {clock} {alert.severity:<8} {alert.venue} {alert.symbol}: {code}: {alert.detail}"


def limits_lines(limits: PortfolioLimits) -> list[str]:
    """Return the exposure over all symbols by quote currency and what limits it, one line each, where there is a limit."""
    if not limits.buckets:
        return [_limits_line(limits.venue, limits.bucket(""))] if limits.max_exposure or limits.reason else []
    return [
        _limits_line(currency, bucket)
        for currency, bucket in limits.buckets.items()
        if bucket.max_exposure or bucket.reason
    ]


def _limits_line(name: str, bucket: BucketLimits) -> str:
    limit = f" of {bucket.max_exposure:f}" if bucket.max_exposure else ""
    reason = f"; {bucket.reason}" if bucket.reason else ""
    breaker = bucket.breaker.replace("_", "-")
    return f"{name}: exposure {money(bucket.exposure)}{limit}, global circuit breaker {breaker}{reason}"


def grids_table(grids: Sequence[GridView], assignments: Sequence[SymbolAssignment] = ()) -> str:
    """Return the grids as a table, with the engine that runs each one if assignments are known."""
    has_venues = len({grid.venue for grid in grids}) > 1
    head = ["SYMBOL", "MODE", "PRICE", "POSITION", "ORDERS", "TRADES", "GRID", "UNPAIRED", "FEES", "TOTAL"]
    rows = [
        [
            *([grid.venue] if has_venues else []),
            grid.symbol,
            grid.mode,
            "-" if grid.price is None else f"{grid.price}",
            f"{grid.position}",
            str(sum(slot.client_order_id is not None for slot in grid.slots)),
            str(grid.opened_trades + grid.closed_trades),
            money(grid.grid_profit),
            money(grid.unpaired_profit),
            money(grid.fees),
            f"{money(grid.total_profit)} {before_fees(grid.fees_other)}".rstrip(),
            *([engine_label(registry_key(grid.venue, grid.symbol), assignments)] if assignments else []),
            "yes" if grid.not_quoting is None else f"no: {grid.not_quoting.replace('_', ' ')}",
        ]
        for grid in grids
    ]
    head = [*(["VENUE"] if has_venues else []), *head]
    first_number = head.index("PRICE")
    return table(
        [*head, *(["ENGINE"] if assignments else []), "QUOTING"],
        rows,
        frozenset(range(first_number, len(head))),
    )


def not_quoting_line(grid: GridView, reason: NotQuoting) -> str:
    """Return why a grid is not quoting and what resolves it, in one line."""
    sentence, remedy = explain(reason, grid.not_quoting_detail)
    return f"{grid.venue} {grid.symbol}: {sentence} {remedy}"


def position_line(grid: GridView) -> str:
    """Return the position at the venue, which differs from the books, and the command that accepts it."""
    foreign = f" and {grid.foreign_position} foreign" if grid.foreign_position else ""
    return (
        f"{grid.venue} {grid.symbol}: the venue has {grid.venue_position}, the books hold {grid.position}{foreign}. "
        f"To book the difference: opensqt control reconcile {grid.venue} {escape(grid.symbol)} "
        f"--accept {grid.venue_position} --reason '...'"
    )


def money(value: Decimal) -> str:
    """Return an amount with two decimals."""
    return f"{value:.2f}"


def duration_text(seconds: float | None) -> str:
    """Return a duration in its two largest units, such as `1 h 5 min`; `-` when it is unknown."""
    if seconds is None:
        return "-"
    rest = int(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _title(part: PartStatus) -> str:
    return part.known_as if part.known_as.startswith(part.name) else f"{part.name} {part.known_as}".strip()


async def _part_status(service: DiscoveredService, session: aiohttp.ClientSession) -> PartStatus:
    address = next((v for v in service.metadata.values() if v.startswith("http://")), "")
    health = await _fetch_health(address, session) if address else _Health("-")
    return PartStatus(
        name=service.name,
        up_s=_seconds_since(service.started),
        address=address,
        health=health.status,
        problems=health.problems,
        known_as=service.metadata.get("name", ""),
    )


async def _fetch_health(address: str, session: aiohttp.ClientSession) -> _Health:
    try:
        async with session.get(f"{address}/health") as response:
            return msgspec.json.decode(await response.read(), type=_Health)
    except (aiohttp.ClientError, TimeoutError, OSError, *INVALID_JSON):
        return _Health("no answer")


def _seconds_since(started: str) -> float | None:
    try:
        return max((datetime.now(UTC) - datetime.fromisoformat(started)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
