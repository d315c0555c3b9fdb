"""The status of a stack, and its text for operators."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from cli.console import table
from cli.inspect.assignments import SymbolAssignment, engine_label
from cli.program import program
from schemas.engine.assignment import Assignment
from schemas.engine.events import AlertRaised
from schemas.engine.portfolio import BucketLimits, PortfolioLimits
from schemas.grid.view import GridView, NotQuoting
from schemas.reasons.table import Kind, explain
from schemas.subjects import registry_key
from schemas.units import SECOND_NS, Money, Price, Symbol, TimeNs, VenueId
from schemas.venue.fees import before_fees

MIN_FREE_BYTES = 256 * 1024 * 1024
"""Less free disk space than this is a problem: a full disk stops the bus."""
MEBIBYTE = 1024 * 1024
HALTED = {NotQuoting.PAUSED, NotQuoting.STOPPED, NotQuoting.FLATTENING, NotQuoting.REMOVED}
"""Reasons that an operator may have caused."""


class PartStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A part, a process of the stack; a venue (kind `venue`); or the bus while it does not answer."""

    name: str
    """Kind of the part, such as `engine`."""
    up_s: float | None
    """Time since its start; None if unknown, or if it sends no heartbeats any more."""
    address: str
    """URL of its HTTP server; empty without one."""
    health: str
    """`ok`, `degraded` (it reports problems), `silent`, `missing` or `unreachable`: see `bus.parts.view.PartState`."""
    problems: tuple[str, ...] = ()
    """The problems that it reported last."""
    known_as: str = ""
    """The instance's name among parts of the same kind."""
    age_s: float | None = None
    """Time since its last heartbeat, or since the venue's last message; None if there was none."""
    detail: str = ""
    """What is wrong, a sentence; empty when nothing is."""
    remedy: str = ""
    """What to do, with command lines to paste."""
    is_wrong: bool = False
    """Whether an operator has to act."""

    @property
    def is_alive(self) -> bool:
        """Whether it sends heartbeats."""
        return self.health in {"ok", "degraded"}

    @property
    def title(self) -> str:
        """Kind and name, once if the name begins with the kind."""
        return (
            self.known_as if self.known_as.startswith(self.name) else f"{self.name} {self.known_as}".strip()
        )


class MarketPrice(msgspec.Struct, frozen=True, kw_only=True):
    """The newest price of a market."""

    venue: VenueId
    symbol: Symbol
    price: Price
    age_s: float
    """Time since the market publisher published it."""


class SymbolBlocked(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol that cannot be quoted, whatever its engine has said last."""

    venue: VenueId
    symbol: Symbol
    reason: NotQuoting
    detail: str


class DiskSpace(msgspec.Struct, frozen=True, kw_only=True):
    """The disk of the data directory, in bytes."""

    path: str
    free: int
    stored: int | None
    """What the bus stores there; None if unknown."""

    @property
    def is_low(self) -> bool:
        """Whether the disk is almost full."""
        return self.free < MIN_FREE_BYTES


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The output of `status --json`."""

    bus: str
    parts: tuple[PartStatus, ...]
    """Those with problems first."""
    grids: tuple[GridView, ...]
    """As the engine published them with its last steps."""
    standings: tuple[SymbolAssignment, ...] = ()
    """The state of each symbol in each engine and gateway that answered."""
    limits: tuple[PortfolioLimits, ...] = ()
    """The limits over all symbols; those of each venue while an engine of version 0.1 runs."""
    alerts: tuple[AlertRaised, ...] = ()
    """The newest alerts of the last day that have not ended, oldest first."""
    problems: tuple[str, ...] = ()
    """Symbols whose state needs a newer program."""
    prices: tuple[MarketPrice, ...] = ()
    blocked: tuple[SymbolBlocked, ...] = ()
    disk: DiskSpace | None = None
    """None for a bus that was named by its URL: its disk is not known."""
    bus_note: str = ""
    """Set when the bus was not named and no stack was found: the default port was used."""

    @property
    def is_wrong(self) -> bool:
        """Whether an operator has to act, or nothing runs."""
        is_quarantined = any(each.standing == Assignment.QUARANTINED for each in self.standings)
        return (
            not self.parts
            or any(part.is_wrong for part in self.parts)
            or any(grid.not_quoting is NotQuoting.QUARANTINED for grid in self.grids)
            or is_quarantined
            or bool(self.problems or self.blocked)
            or (self.disk is not None and self.disk.is_low)
        )


def report(found: Status, command: str = "./opensqt control") -> str:
    """Return the status as text; `command` is the command line of `control` for this stack."""
    lines = [f"bus   {found.bus}{f' ({found.bus_note})' if found.bus_note else ''}"]
    lines += [disk_line(found.disk)] if found.disk is not None else []
    lines += ["", *_parts_lines(found), ""]
    if found.grids:
        lines += [grids_table(found), *_symbol_lines(found, command)]
    elif not found.problems:
        lines.append("no symbol has a grid yet")
    lines += found.problems
    lines += [line for each in found.limits for line in limits_lines(each)]
    if found.alerts:
        lines += ["", "alerts of the last day:", *(alert_line(each, command) for each in found.alerts)]
    return "\n".join(lines)


def disk_line(disk: DiskSpace) -> str:
    """Return the free space, and what the bus uses of the disk."""
    stored = "" if disk.stored is None else f"; the bus stores {_size(disk.stored)}"
    low = ". The disk is almost full: free some space, or the bus stops" if disk.is_low else ""
    return f"disk  {_size(disk.free)} free in {disk.path}{stored}{low}"


def alert_line(alert: AlertRaised, command: str = "./opensqt control") -> str:
    """Return time, severity, symbol and code of an alert, what it means, and what to do."""
    found = explain(alert.code, alert.detail, kind=Kind.ALERT, venue=alert.venue, symbol=alert.symbol)
    text = f"{found.sentence} {found.remedy.replace('./opensqt control', command)}".rstrip()
    return f"  {_clock(alert.time)} {alert.severity:<8} {alert.venue} {alert.symbol} {alert.code}: {text}"


def limits_lines(limits: PortfolioLimits) -> list[str]:
    """Return the exposure over all symbols by quote currency and what limits it, one line each, where there is a limit."""
    if not limits.buckets:
        return [_limits_line(limits.venue, limits.bucket(""))] if limits.max_exposure or limits.reason else []
    return [
        _limits_line(currency, bucket)
        for currency, bucket in limits.buckets.items()
        if bucket.max_exposure or bucket.reason
    ]


def grids_table(found: Status) -> str:
    """Return the grids as a table: prices are the market's, and amounts are valued at them.

    With the engine that runs each symbol if that is known.
    """
    grids, assignments = found.grids, found.standings
    has_venues = len({grid.venue for grid in grids}) > 1
    quotes = {_currencies(grid.symbol)[1] for grid in grids}
    unit = f" {quotes.pop()}" if len(quotes) == 1 else ""
    prices = {(each.venue, each.symbol): each for each in found.prices}
    head = [
        *(["VENUE"] if has_venues else []),
        *("SYMBOL", "MODE", f"PRICE{unit}", "AGE", "POSITION", "ORDERS", "TRADES"),
        *(f"{name}{unit}" for name in ("GRID", "UNPAIRED", "FEES", "TOTAL")),
    ]
    first_number = head.index("MODE") + 1
    rows = [
        [
            *([grid.venue] if has_venues else []),
            *_figures(grid, prices.get((grid.venue, grid.symbol)), has_unit=bool(unit)),
            *([engine_label(registry_key(grid.venue, grid.symbol), assignments)] if assignments else []),
            _quoting(found, grid),
            _clock(grid.first_time)[:-3] if grid.first_time else "-",
        ]
        for grid in grids
    ]
    return table(
        [*head, *(["ENGINE"] if assignments else []), "QUOTING", "SINCE (UTC)"],
        rows,
        frozenset(range(first_number, len(head))),
    )


def not_quoting_line(grid: GridView, reason: NotQuoting, command: str = "./opensqt control") -> str:
    """Return why a grid is not quoting, who caused it, and what resolves it, in one line."""
    by = grid.opens_halted_by if reason in HALTED else ""
    sentence, remedy = explain(reason, grid.not_quoting_detail, venue=grid.venue, symbol=grid.symbol, by=by)
    return f"{grid.venue} {grid.symbol}: {sentence} {remedy.replace('./opensqt control', command)}"


def position_line(grid: GridView, command: str = "./opensqt control") -> str:
    """Return the position at the venue, which differs from the books, and the command that accepts it."""
    foreign = f" and {grid.foreign_position} foreign" if grid.foreign_position else ""
    return (
        f"{grid.venue} {grid.symbol}: the venue has {grid.venue_position}, the books hold {grid.position}{foreign}. "
        f"To book the difference: {command} reconcile {grid.venue} {grid.symbol} "
        f"--accept {grid.venue_position} --reason '...'"
    )


def money(value: Decimal) -> str:
    """Return an amount with two decimals, without a sign if it rounds to zero."""
    text = f"{value:.2f}"
    return text.removeprefix("-") if not Decimal(text) else text


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


def age_text(seconds: float | None) -> str:
    """Return an age, with a decimal below ten seconds."""
    return f"{seconds:.1f} s" if seconds is not None and seconds < 10 else duration_text(seconds)


def _parts_lines(found: Status) -> list[str]:
    if not found.parts:
        return [f"no part is running: start the stack with: {program()} up"]
    rows = [
        [each.title, each.health, age_text(each.age_s), duration_text(each.up_s), each.address]
        for each in found.parts
    ]
    lines = [table(["PART", "STATE", "LAST SEEN", "UP FOR", "ADDRESS"], rows, frozenset({2, 3}))]
    wrong = [f"{each.detail} {each.remedy}".strip() for each in found.parts if each.detail]
    return [*lines, "", *wrong] if wrong else lines


def _symbol_lines(found: Status, command: str) -> list[str]:
    silent = {(each.venue, each.symbol) for each in found.blocked if each.reason is NotQuoting.ENGINE_SILENT}
    lines = [
        f"{grid.venue} {grid.symbol}: its figures are those of the engine's last step, {_clock(grid.time)} UTC; "
        "orders may have been filled or canceled since"
        for grid in found.grids
        if (grid.venue, grid.symbol) in silent
    ]
    lines += [
        f"{_last_word(found, grid)}{not_quoting_line(grid, grid.not_quoting, command)}"
        for grid in found.grids
        if grid.not_quoting
    ]
    lines += [position_line(grid, command) for grid in found.grids if grid.venue_position is not None]
    return ["", *lines] if lines else []


def _figures(grid: GridView, market: MarketPrice | None, *, has_unit: bool) -> list[str]:
    """Return the columns from SYMBOL to TOTAL."""
    base, quote = _currencies(grid.symbol)
    unit = "" if has_unit else f" {quote}"
    change: Money = Decimal(0)
    if market is not None and grid.price is not None:
        change = grid.position * (market.price - grid.price)  # since the grid's last step
    price = grid.price if market is None else market.price
    other = before_fees(grid.fees_other)
    return [
        grid.symbol,
        grid.mode,
        "-" if price is None else f"{price:f}{unit}",
        "no tick" if market is None else age_text(market.age_s),
        _position_text(grid, base),
        str(sum(slot.client_order_id is not None for slot in grid.slots)),
        str(grid.opened_trades + grid.closed_trades),
        f"{money(grid.grid_profit)}{unit}",
        f"{money(grid.unpaired_profit + change)}{unit}",
        f"{money(grid.fees)}{unit}",
        f"{money(grid.total_profit + change)}{unit} {other}".rstrip(),
    ]


def _last_word(found: Status, grid: GridView) -> str:
    is_current = _blocked(found, grid) not in {NotQuoting.ENGINE_SILENT, NotQuoting.BUS_SILENT}
    return "" if is_current else "before the silence: "


def _blocked(found: Status, grid: GridView) -> NotQuoting | None:
    market = grid.venue, grid.symbol
    return next((each.reason for each in found.blocked if (each.venue, each.symbol) == market), None)


def _quoting(found: Status, grid: GridView) -> str:
    reason = _blocked(found, grid) or grid.not_quoting
    return "yes" if reason is None else f"no: {reason.replace('_', ' ')}"


def _limits_line(name: str, bucket: BucketLimits) -> str:
    limit = f" of {bucket.max_exposure:f}" if bucket.max_exposure else ""
    reason = f"; {bucket.reason}" if bucket.reason else ""
    breaker = bucket.breaker.replace("_", "-")
    return f"{name}: exposure {money(bucket.exposure)}{limit}, global circuit breaker {breaker}{reason}"


def _currencies(symbol: Symbol) -> tuple[str, str]:
    base, _, quote = symbol.partition(":")[0].partition("/")
    return base, quote


def _clock(time_ns: TimeNs) -> str:
    return datetime.fromtimestamp(time_ns / SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _size(size: int) -> str:
    mebibytes = size / MEBIBYTE
    return f"{mebibytes:.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"


def _position_text(grid: GridView, base: str) -> str:
    """Return the position, and the part of it that no order can close: `0.1009 BTC (0.0009 dust)`."""
    if not grid.position:
        return f"0 {base}"
    return f"{grid.position:f} {base}" + (f" ({grid.dust:f} dust)" if grid.dust else "")
