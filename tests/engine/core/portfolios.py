"""An example portfolio of three symbols, and inputs for it."""

from decimal import Decimal

import msgspec

from engine.core.portfolio.portfolio import Portfolio
from engine.core.portfolio.step import PortfolioChange
from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.engine.events import Fill, RiskChanged
from schemas.engine.portfolio import BucketLimits, OrderLatency, PortfolioEntry, PortfolioSettings
from schemas.engine.portfolio_journal import (
    AddRequested,
    Bucket,
    CommandForAll,
    Market,
    PortfolioInput,
    PortfolioState,
    SymbolSeen,
)
from schemas.grid.settings import GridSettings
from schemas.grid.view import NotQuoting
from schemas.subjects import ALL, ALL_VENUES
from schemas.units import SECOND_NS, Symbol, TradeId, VenueId
from schemas.venue.instruments import Instrument
from schemas.venue.market import ClockRead
from tests.builders import BTC, COMMAND, FILL, SIM
from tests.engine.core.examples import PERPETUAL, D, at

ETH, SOL = Symbol("ETH/USDT:USDT"), Symbol("SOL/USDT:USDT")
LIMITED = PortfolioSettings(max_exposure=D(1000))
ACTIVATED, CLEARED = ("exposure_limit", True), ("exposure_limit", False)
TRIPPED, CLOSED = ("global_breaker", True), ("global_breaker", False)


def entry(settings: PortfolioSettings = LIMITED) -> PortfolioEntry:
    return PortfolioEntry(venue=ALL_VENUES, settings=settings)


def started(settings: PortfolioSettings = LIMITED) -> Portfolio:
    portfolio = Portfolio(None, 0)
    step(portfolio, entry(settings))
    return portfolio


def step(portfolio: Portfolio, *inputs: PortfolioInput) -> PortfolioChange:
    """Process inputs that must make a step."""
    change = portfolio.process(inputs)
    assert change is not None
    return change


def state_of(portfolio: Portfolio) -> PortfolioState:
    assert portfolio.state is not None
    return portfolio.state


def bucket(portfolio: Portfolio, currency: str = "USDT") -> Bucket:
    return state_of(portfolio).buckets.setdefault(currency, Bucket())


def limits(portfolio: Portfolio, currency: str = "USDT") -> BucketLimits:
    return portfolio.limits().bucket(currency)


def symbol(
    name: Symbol = BTC,
    position: Decimal | str | int = 0,
    *,
    profit: Decimal | int = 0,
    earlier: Decimal | int = 0,
    venue: VenueId = SIM,
    seconds: float = 0,
    not_quoting: NotQuoting | None = None,
    opening_orders: int = 0,
) -> SymbolSeen:
    """Return a symbol at a price of 100."""
    return SymbolSeen(
        venue=venue,
        symbol=name,
        position=D(position),
        price=D(100),
        total_profit=D(profit),
        earlier_profit=D(earlier),
        not_quoting=not_quoting,
        opening_orders=opening_orders,
        time=at(seconds),
    )


def round_trip(made: str | None, name: str = "1", of: Symbol = BTC, venue: VenueId = SIM) -> Fill:
    return msgspec.structs.replace(
        FILL, venue=venue, symbol=of, trade_id=TradeId(name), round_trip=None if made is None else D(made)
    )


def clock(seconds: float) -> ClockRead:
    return ClockRead(venue=SIM, time=at(seconds), received_time=0)


def latency(milliseconds: int, count: int = 100) -> OrderLatency:
    return OrderLatency(venue=SIM, p50=0, p99=milliseconds * 1_000_000, count=count, time=0)


def for_all(
    name: CommandName,
    *,
    symbols: tuple[Symbol, ...] = (BTC, ETH),
    venue: VenueId = ALL_VENUES,
    received: int = 1,
) -> CommandForAll:
    """Return a command to all symbols of a venue, by default of all."""
    command = msgspec.structs.replace(
        COMMAND, name=name, venue=venue, symbol=Symbol(ALL), time=0, expires_time=30 * SECOND_NS
    )
    return CommandForAll(
        command=command,
        received_time=received * SECOND_NS,
        markets=tuple(market(symbol) for symbol in symbols),
    )


def add(
    settings: GridSettings | None,
    *,
    instrument: Instrument | None = PERPETUAL,
    is_running: bool = False,
    last_generation: int = 0,
    symbols: tuple[Symbol, ...] = (ETH,),
    received: int = 1,
) -> AddRequested:
    command = msgspec.structs.replace(
        COMMAND, name=CommandName.ADD, symbol=BTC, time=0, expires_time=30 * SECOND_NS, settings=settings
    )
    return AddRequested(
        command=command,
        received_time=received * SECOND_NS,
        instance="sqt",
        instrument=instrument,
        is_running=is_running,
        symbols=symbols,
        last_generation=last_generation,
    )


def market(symbol: Symbol, venue: VenueId = SIM) -> Market:
    return Market(venue=venue, symbol=symbol)


def risks(change: PortfolioChange) -> list[tuple[str, bool]]:
    return [(each.reason, each.active) for each in change.notices if isinstance(each, RiskChanged)]


def answer(change: PortfolioChange) -> tuple[CommandOutcome, str]:
    (result,) = [each for each in change.notices if isinstance(each, CommandResult)]
    return result.outcome, result.detail
