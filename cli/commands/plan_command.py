"""`opensqt plan`: what each grid of a configuration would do, from its prices or those of a stack that runs."""

from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from bus import Bus, Registry
from cli import units
from cli.commands.plan import MAINTENANCE, End, Level, Premises, SymbolPlan, plan_symbol
from cli.commands.status import reached
from cli.config.file import DEFAULT_FILE, Configuration, load
from cli.console import table
from cli.errors import CommandError
from schemas import subjects
from schemas.codec import UndecodableError, decode_as, encode
from schemas.engine.journal import SymbolEntry
from schemas.subjects import Stream
from schemas.units import Price, Side, Symbol
from schemas.venue.account import Balance, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import FeedChanged, FeedState, Ticker

E = TypeVar("E", bound=msgspec.Struct)
STANDINGS = {True: "ok", False: "REFUSED", None: "asked at the start"}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All symbols of a configuration."""

    configuration: str
    symbols: tuple[SymbolPlan, ...]


class PlanOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan is asked for."""

    file: Path | None = None
    symbol: Symbol | None = None
    price: Decimal | None = None
    as_json: bool = False
    bus_url: str | None = None
    """Of a stack that runs; None where none does."""


async def plan(options: PlanOptions) -> int:
    """Print the plan. Exit code 1 when a symbol would be refused.

    Raises: ConfigurationError; CommandError when there is no such symbol, or no bus where one was named.
    """
    file = options.file or DEFAULT_FILE
    configuration = load(file)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(reached(options.bus_url, "plan")) if options.bus_url else None
        plans = [
            plan_symbol(entry.settings, await _premises(configuration, entry, bus, options.price))
            for entry in _wanted(configuration, options.symbol)
        ]
    found = Plan(configuration=str(file), symbols=tuple(plans))
    print(encode(found).decode() if options.as_json else report(found))
    return 1 if any(each.is_refused for each in plans) else 0


def report(found: Plan) -> str:
    """Return it for people."""
    parts = [f"{found.configuration}: nothing is traded by this", *map(_symbol, found.symbols)]
    if len(found.symbols) > 1:
        parts.append(_together(found.symbols))
    return "\n\n".join(parts)


def _wanted(configuration: Configuration, symbol: Symbol | None) -> list[SymbolEntry]:
    wanted = [entry for entry in configuration.symbols if symbol in {None, entry.symbol}]
    if not wanted:
        names = ", ".join(entry.symbol for entry in configuration.symbols)
        raise CommandError(f"the configuration has no {symbol}: it has {names}")
    return wanted


async def _premises(
    configuration: Configuration, entry: SymbolEntry, bus: Bus | None, price: Price | None
) -> Premises:
    venue = configuration.venue
    settings = next(each for each in venue.symbols if each.instrument.symbol == entry.symbol)
    written = Premises(
        instrument=settings.instrument,
        price=price or settings.start_price,
        source="--price" if price else "the configuration's start_price",
        balance=venue.balances.get(settings.instrument.settle),
        leverage=settings.leverage,
        maintenance=venue.maintenance_margin or MAINTENANCE,
    )
    return written if bus is None else await _running(bus, written, is_priced=price is not None)


async def _running(bus: Bus, written: Premises, *, is_priced: bool) -> Premises:
    """Replace what is written by what a stack that runs knows better."""
    venue, symbol = written.instrument.venue, written.instrument.symbol
    stored = await Registry(bus, "instruments").get(subjects.registry_key(venue, symbol))
    instrument = decode_as(stored.data, Instrument) if stored else written.instrument
    ticker = await _last(bus, Stream.MARKET, subjects.ticker(venue, symbol), Ticker)
    balance = await _last(bus, Stream.ACCOUNT, subjects.balance(venue, instrument.settle), Balance)
    position = await _last(bus, Stream.ACCOUNT, subjects.position(venue, symbol), Position)
    feed = await _last(bus, Stream.ACCOUNT, subjects.account_feed(venue), FeedChanged)
    is_live = ticker is not None and not is_priced
    return msgspec.structs.replace(
        written,
        instrument=instrument,
        price=ticker.last if ticker is not None and is_live else written.price,
        source="the running stack" if is_live else written.source,
        balance=written.balance if balance is None else balance.margin_balance,
        leverage=written.leverage if position is None else position.leverage,
        is_stream_up=None if feed is None else feed.state is FeedState.UP,
    )


async def _last(bus: Bus, stream: Stream, subject: str, kind: type[E]) -> E | None:
    message = await bus.last(stream, subject)
    if message is None:
        return None
    try:
        return decode_as(message.data, kind)
    except UndecodableError:
        return None  # of another version: what is written stands


def _symbol(found: SymbolPlan) -> str:
    quote = found.quote
    interval, fees = units.percent_text(found.interval_share), units.percent_text(found.fee_share)
    head = (
        f"{found.symbol} on {found.venue}, {found.mode}: {found.price} {quote} ({found.source}), balance "
        f"{'not known' if found.balance is None else f'{found.balance} {quote}'}, leverage {found.leverage}"
    )
    rows = [_row(each) for each in sorted(found.levels, key=lambda each: -each.level)]
    right = frozenset({0, 2, 3, 4, 5})
    checks = [[f"  {each.name}", STANDINGS[each.passed], each.figures, each.remedy] for each in found.checks]
    return "\n".join(
        [
            head,
            "",
            table(["LEVEL", "SIDE", "PRICE", "QUANTITY", "WORTH", "ROUND TRIP", ""], rows, right),
            "",
            f"margin for the full window  {_money(found.margin)} {quote}",
            f"narrowest interval          {interval}, fees of both sides {fees}",
            f"one round trip              makes at least {found.round_trip:.4f} {quote} net of fees",
            *(_end(end, quote) for end in found.ends),
            "",
            table(["PREFLIGHT", "", "", ""], checks),
        ]
    )


def _row(level: Level) -> list[str]:
    return [
        str(level.level),
        level.side,
        f"{level.price}",
        f"{level.quantity}",
        _money(level.notional),
        f"{level.profit:+.4f}",
        level.obstacle.replace("_", " ") if level.obstacle else "",
    ]


def _end(end: End, quote: str) -> str:
    bought = "bought" if end.side is Side.BUY else "sold"
    places = {"isolated": end.liquidation_isolated, "cross": end.liquidation_cross}
    known = [f"{name} {price.quantize(end.last)}" for name, price in places.items() if price is not None]
    where = f"; liquidated near {', '.join(known)}" if known else "; no liquidation above zero"
    return (
        f"all {end.levels} levels {bought}".ljust(28)
        + f"{end.quantity} at {end.average.quantize(end.last)} on average, "
        f"{_money(end.loss)} {quote} lost at {end.last}{where}"
    )


def _together(plans: tuple[SymbolPlan, ...]) -> str:
    margins: dict[str, Decimal] = {}
    for each in plans:
        margins[each.quote] = margins.get(each.quote, Decimal(0)) + each.margin
    return "\n".join(f"all symbols together need {_money(sum_)} {quote}" for quote, sum_ in margins.items())


def _money(value: Decimal) -> str:
    return f"{value:.2f}"
