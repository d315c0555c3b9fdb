"""`opensqt plan`: preview the grids of a configuration, with data of a running stack where there is one."""

import argparse
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from bus import Bus, Registry, last_per_subject
from cli import parser as arguments
from cli import units
from cli.background import run_main
from cli.config.file import DEFAULT_FILE, Configuration, load
from cli.console import table
from cli.control.names import nearest
from cli.errors import CommandError
from cli.inspect.plan import (
    DEFAULT_MAINTENANCE_MARGIN,
    FilledSide,
    Level,
    PlanInputs,
    SymbolPlan,
    plan_symbol,
)
from cli.stack.connection import BusAddress, BusPlace, connect_to_bus, locate_running_bus
from engine.core.startup.capital import other_grids
from schemas import subjects
from schemas.codec import decode_as, encode, try_decode
from schemas.engine.journal import SymbolEntry
from schemas.subjects import Stream
from schemas.units import ZERO, Price, Side, Symbol, VenueId
from schemas.venue.account import Balance, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import FeedChanged, FeedState, Ticker
from schemas.venue.worth import AccountWorth, account_worth

E = TypeVar("E", bound=msgspec.Struct)

DESCRIPTION = (
    "Preview what a configuration would trade, without trading: levels, margin, break-even, preflight checks, "
    "estimated liquidation, maximum loss. Price, balance, leverage and fees come from the running stack if there is one."
)
BALANCES = "account.{}.balance.*"
"""The balances of all assets of a venue."""
CHECK_RESULTS = {True: "ok", False: "REFUSED", None: "checked at start"}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The output of `plan --json`."""

    configuration: str
    symbols: tuple[SymbolPlan, ...]


class PlanOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `plan`."""

    file: Path | None = None
    symbol: Symbol | None = None
    price: Decimal | None = None
    as_json: bool = False
    bus: BusAddress | None = None
    """None without a running stack."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define FILE, --symbol, --price and --json, and how to find the bus."""
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="default: the configuration that ships"
    )
    parser.add_argument("--symbol", type=arguments.symbol, metavar="SYMBOL", help="only this symbol")
    parser.add_argument(
        "--price", type=arguments.price, metavar="PRICE", help="assume this price of the symbol"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments.add_bus_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print the plan."""
    plan_options = PlanOptions(
        file=options.file,
        symbol=options.symbol,
        price=options.price,
        as_json=options.json,
        bus=locate_running_bus(BusPlace(options.bus_url, options.data_dir, options.bus_context)),
    )
    return run_main(lambda: plan(plan_options), is_quiet=True)


async def plan(options: PlanOptions) -> int:
    """Print the plan. Return 1 when a preflight check refuses a symbol.

    Raises: ConfigurationError; CommandError for an unknown symbol or when the given bus does not answer.
    """
    file = options.file or DEFAULT_FILE
    configuration = load(file)
    selected = _selected(configuration, options.symbol)
    if options.price is not None and len(selected) > 1:
        raise CommandError("--price is the price of one symbol: name it with --symbol")
    async with AsyncExitStack() as stack:
        bus = None
        if options.bus is not None:
            bus = await stack.enter_async_context(connect_to_bus(options.bus, "plan"))
        plans = [
            plan_symbol(entry.settings, await _inputs(configuration, entry, bus, options.price))
            for entry in selected
        ]
    found = Plan(configuration=str(file), symbols=tuple(plans))
    print(encode(found).decode() if options.as_json else report(found))
    return 1 if any(each.is_refused for each in plans) else 0


def report(found: Plan) -> str:
    """Return the plan as text."""
    sections = [
        f"{found.configuration}: preview only, nothing is traded",
        *(_symbol_report(each) for each in found.symbols),
    ]
    if len(found.symbols) > 1:
        sections.append(_total_margin(found.symbols))
    return "\n\n".join(sections)


def _selected(configuration: Configuration, symbol: Symbol | None) -> list[SymbolEntry]:
    selected = [entry for entry in configuration.symbols if symbol in {None, entry.symbol}]
    if not selected:
        names = {entry.symbol for entry in configuration.symbols}
        raise CommandError(f"the configuration has no symbol {symbol}; {nearest(symbol or '', names)}")
    return selected


async def _inputs(
    configuration: Configuration, entry: SymbolEntry, bus: Bus | None, price: Price | None
) -> PlanInputs:
    venue, settings = configuration.venue_of(entry), configuration.settings_of(entry)
    configured = PlanInputs(
        instrument=settings.instrument,
        price=price or settings.start_price,
        source="--price" if price else "the configuration's start_price",
        balance=venue.balances.get(settings.instrument.settle),
        leverage=settings.leverage,
        maintenance=venue.maintenance_margin or DEFAULT_MAINTENANCE_MARGIN,
        others=other_grids(entry.venue, entry.symbol, configuration.symbols),
    )
    return configured if bus is None else await _live_inputs(bus, configured, is_priced=price is not None)


async def _live_inputs(bus: Bus, configured: PlanInputs, *, is_priced: bool) -> PlanInputs:
    """Replace configured values by those of the running stack, the price unless `is_priced`."""
    venue, symbol = configured.instrument.venue, configured.instrument.symbol
    stored = await Registry(bus, "instruments").get(subjects.registry_key(venue, symbol))
    instrument = decode_as(stored.data, Instrument) if stored else configured.instrument
    ticker = await _last(bus, Stream.MARKET, subjects.ticker(venue, symbol), Ticker)
    balance = await _last(bus, Stream.ACCOUNT, subjects.balance(venue, instrument.settle), Balance)
    position = await _last(bus, Stream.ACCOUNT, subjects.position(venue, symbol), Position)
    feed = await _last(bus, Stream.ACCOUNT, subjects.account_feed(venue), FeedChanged)
    is_live = ticker is not None and not is_priced
    return msgspec.structs.replace(
        configured,
        instrument=instrument,
        price=ticker.last if ticker is not None and is_live else configured.price,
        source="the running stack" if is_live else configured.source,
        balance=configured.balance if balance is None else balance.margin_balance,
        worth=await _worth(bus, venue, instrument.settle),
        leverage=configured.leverage if position is None else position.leverage,
        position=None if position is None else position.quantity,
        is_stream_up=None if feed is None else feed.state is FeedState.UP,
    )


async def _worth(bus: Bus, venue: VenueId, currency: str) -> AccountWorth | None:
    """Return the worth of an account at the newest prices of the bus; None if its balances are unknown."""
    stored = await last_per_subject(bus, Stream.ACCOUNT, (BALANCES.format(venue),))
    balances = [each for message in stored if (each := try_decode(message.data, Balance)) is not None]
    prices: dict[str, Price] = {}
    for asset in {each.asset for each in balances} - {currency}:
        for symbol in (f"{asset}/{currency}:{currency}", f"{asset}/{currency}"):
            ticker = await _last(bus, Stream.MARKET, subjects.ticker(venue, Symbol(symbol)), Ticker)
            if ticker is not None:
                prices[asset] = ticker.last
    return account_worth(balances, currency, prices.get) if balances else None


async def _last(bus: Bus, stream: Stream, subject: str, kind: type[E]) -> E | None:
    """Return the last event of a subject, None if there is none or it is of an unknown version."""
    message = await bus.last(stream, subject)
    return None if message is None else try_decode(message.data, kind)


def _symbol_report(found: SymbolPlan) -> str:
    quote = found.quote
    interval, fees = units.percent_text(found.interval_share), units.percent_text(found.fee_share)
    head = (
        f"{found.symbol} on {found.venue}, {found.mode}: {found.price} {quote} ({found.source}), balance "
        f"{'unknown' if found.balance is None else f'{found.balance} {quote}'}{_worth_text(found)}, "
        f"leverage {found.leverage}"
    )
    rows = [_level_row(each) for each in sorted(found.levels, key=lambda each: -each.level)]
    right = frozenset({0, 2, 3, 4, 5})
    base = found.symbol.partition("/")[0]
    heads = [
        "LEVEL",
        "SIDE",
        f"PRICE {quote}",
        f"QUANTITY {base}",
        f"WORTH {quote}",
        f"ROUND TRIP {quote}",
        "",
    ]
    checks = [
        [f"  {each.name}", CHECK_RESULTS[each.passed], each.figures, each.remedy] for each in found.checks
    ]
    return "\n".join(
        [
            head,
            "",
            table(heads, rows, right),
            "",
            f"margin for a filled window  {_money(found.margin)} {quote}",
            f"smallest interval           {interval}; fees of both sides {fees}",
            f"profit of one round trip    at least {found.round_trip:.4f} {quote} net of fees",
            *(_filled_side_line(side, quote) for side in found.ends),
            *_most_lines(found),
            "",
            table(["PREFLIGHT", "", "", ""], checks),
        ]
    )


def _worth_text(found: SymbolPlan) -> str:
    """Return the worth of the whole account where it is not the balance alone: ` (9998.07 USDT with all assets)`."""
    worth = found.worth
    if worth is None or worth.total == found.balance:
        return ""
    if worth.total is None:
        return f" (with all assets unknown: no price of {', '.join(worth.unpriced)})"
    return f" ({worth.total:.2f} {worth.currency} with all assets)"


def _level_row(level: Level) -> list[str]:
    return [
        str(level.level),
        level.side,
        f"{level.price}",
        f"{level.quantity}",
        _money(level.notional),
        f"{level.profit:+.4f}",
        level.obstacle.replace("_", " ") if level.obstacle else "",
    ]


def _most_lines(found: SymbolPlan) -> list[str]:
    """Return what each side may hold at most, and the loss then."""
    if not found.most:
        return [f"max_position {found.max_position}".ljust(28) + "nothing bounds what the grid may hold"]
    lines = []
    for each in found.most:
        head = (
            f"at most, max_position {found.max_position}" if found.max_position != "off" else "at the bound"
        )
        text = _filled_side_line(each, found.quote, f"{head}: {each.levels} levels")
        lines.append(
            f"{text}; margin {_money(each.margin)} {found.quote}"
            + (
                ""
                if each.loss_at_bound is None
                else f"; loss {_money(each.loss_at_bound)} {found.quote} at the bound {each.bound}"
            )
        )
    return lines


def _filled_side_line(filled: FilledSide, quote: str, head: str = "") -> str:
    verb = "bought" if filled.side is Side.BUY else "sold"
    prices = {"isolated": filled.liquidation_isolated, "cross": filled.liquidation_cross}
    near = [
        f"{'never' if price is None else f'near {price.quantize(filled.last)} {quote}'} with {name} margin"
        for name, price in prices.items()
    ]
    liquidation = f"liquidation {', '.join(near)}" if any(prices.values()) else "no liquidation above zero"
    return (
        f"{head or f'all {filled.levels} levels'} {verb}".ljust(27)
        + f" {filled.quantity} at {filled.average.quantize(filled.last)} {quote} on average, "
        f"break-even {filled.break_even.quantize(filled.last)}; "
        f"loss {_money(filled.loss)} {quote} at {filled.last}; {liquidation}"
    )


def _total_margin(plans: tuple[SymbolPlan, ...]) -> str:
    margins: dict[str, Decimal] = {}
    for each in plans:
        margins[each.quote] = margins.get(each.quote, ZERO) + each.margin
    return "\n".join(f"margin of all symbols: {_money(margin)} {quote}" for quote, margin in margins.items())


def _money(value: Decimal) -> str:
    return f"{value:.2f}"
