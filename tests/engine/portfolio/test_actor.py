"""Portfolio actor on a real bus: limits, commands to all symbols, added symbols, restarts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from decimal import Decimal

import msgspec
import pytest

from bus import Bus, Fenced, FromStart, Registry, get_logger, last_per_subject, read
from engine.portfolio.actor import PortfolioActor
from schemas import subjects
from schemas.codec import UndecodableError, decode, decode_as
from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.engine.events import AlertRaised
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import BucketLimits, PortfolioEntry, PortfolioLimits, PortfolioSettings
from schemas.engine.portfolio_journal import PortfolioStep
from schemas.grid.guard_state import BreakerState
from schemas.grid.view import GridView, NotQuoting
from schemas.subjects import ALL, ALL_VENUES, Stream
from schemas.units import Symbol, TradeId, VenueId
from tests.builders import BTC, COMMAND, FILL, INSTRUMENT, SETTINGS, SIM, TICKER
from tests.engine.conftest import ENTRY, RunActor, until_step
from tests.schemas.examples import EXAMPLES

ETH = Symbol("ETH/USDT:USDT")
SOL = Symbol("SOL/USDT:USDT")
OTHER = VenueId("sim2")
VIEW = next(each for each in EXAMPLES if isinstance(each, GridView))
STEPS, LIMITS = subjects.portfolio_step(), subjects.limits()
NEVER_EXPIRES = 2**62

RunPortfolio = Callable[..., AbstractAsyncContextManager["asyncio.Task[None]"]]


@pytest.fixture
def run_portfolio(bus: Bus) -> RunPortfolio:
    """Run a portfolio while the context lasts."""

    @asynccontextmanager
    async def run(settings: PortfolioSettings | None = None) -> AsyncIterator[asyncio.Task[None]]:
        if settings is not None:
            await Registry(bus, "portfolios").create(ALL, entry(settings))
        task = asyncio.create_task(start_and_run(bus))
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(BaseException):
                await task

    return run


def entry(settings: PortfolioSettings) -> PortfolioEntry:
    return PortfolioEntry(venue=ALL_VENUES, settings=settings)


def usdt(limits: PortfolioLimits) -> BucketLimits:
    return limits.bucket("USDT")


async def start_and_run(bus: Bus) -> None:
    await (await PortfolioActor.start(bus, get_logger("test"))).run()


async def until(
    bus: Bus, stream: Stream, subject: str, wanted: Callable[[msgspec.Struct], bool]
) -> msgspec.Struct:
    """Return the first event on a subject that satisfies `wanted`, waiting for it."""
    async with asyncio.timeout(20), aclosing(read(bus, stream, (subject,), FromStart())) as batches:
        async for batch in batches:
            for message in batch.messages:
                with contextlib.suppress(UndecodableError):
                    event = decode(message.data)
                    if wanted(event):
                        return event
    raise AssertionError("a stream is read for ever")


async def until_limits(bus: Bus, wanted: Callable[[PortfolioLimits], bool]) -> PortfolioLimits:
    found = await until(
        bus, Stream.JOURNAL, LIMITS, lambda event: isinstance(event, PortfolioLimits) and wanted(event)
    )
    assert isinstance(found, PortfolioLimits)
    return found


async def result_of(bus: Bus, symbol: str, command_id: str, venue: VenueId = SIM) -> CommandResult:
    subject = subjects.command_result(venue, Symbol(symbol))
    found = await until(
        bus,
        Stream.CONTROL,
        subject,
        lambda event: isinstance(event, CommandResult) and event.command_id == command_id,
    )
    assert isinstance(found, CommandResult)
    return found


async def hold(bus: Bus, symbol: Symbol, position: str, venue: VenueId = SIM) -> None:
    """Publish a grid with a position at a price of 100."""
    view = msgspec.structs.replace(
        VIEW, venue=venue, symbol=symbol, position=Decimal(position), price=Decimal(100)
    )
    await bus.store(subjects.grid(venue, symbol), view)


async def send(
    bus: Bus, name: CommandName, symbol: str = ALL, venue: VenueId = SIM, **changes: object
) -> Command:
    command = msgspec.structs.replace(
        COMMAND, name=name, venue=venue, symbol=Symbol(symbol), command_id=f"{name}-{symbol}"
    )
    command = msgspec.structs.replace(command, expires_time=NEVER_EXPIRES, **changes)
    await bus.store(subjects.command(venue, Symbol(symbol), name), command)
    return command


async def register(bus: Bus, symbol: Symbol, venue: VenueId = SIM) -> None:
    entry = msgspec.structs.replace(ENTRY, venue=venue, symbol=symbol)
    await Registry(bus, "symbols").create(subjects.registry_key(venue, symbol), entry)


async def test_reaching_the_limit_stops_opening_and_falling_below_resumes_it(
    bus: Bus, run_portfolio: RunPortfolio
) -> None:
    await hold(bus, BTC, "4")
    await hold(bus, ETH, "-4")
    async with run_portfolio(PortfolioSettings(max_exposure=Decimal(1000))):
        assert (await until_limits(bus, lambda limits: True)).exposure == 800
        await hold(bus, SOL, "2")
        stopped = await until_limits(bus, lambda limits: not limits.is_opening_allowed)
        assert [each.symbol for each in stopped.symbols] == [BTC, ETH, SOL]
        await hold(bus, SOL, "1")
        await until_limits(bus, lambda limits: limits.step > stopped.step and limits.is_opening_allowed)


async def test_a_price_without_a_step_of_the_grid_trips_the_breaker_and_raises_the_exposure(
    bus: Bus, run_portfolio: RunPortfolio
) -> None:
    await hold(bus, BTC, "4")
    settings = PortfolioSettings(max_drawdown=Decimal(20), max_exposure=Decimal(1000))
    async with run_portfolio(settings):
        assert (await until_limits(bus, lambda limits: True)).exposure == 400
        price = Decimal(94)
        moved = msgspec.structs.replace(TICKER, bid=price, ask=price, last=price, time=VIEW.time + 10**10)
        await bus.store(subjects.ticker(SIM, BTC), moved)
        tripped = await until_limits(bus, lambda limits: usdt(limits).breaker is BreakerState.OPEN)
        assert tripped.exposure == 376
        assert "drawdown of 24" in usdt(tripped).reason


async def test_a_restart_restores_the_state_and_fences_the_earlier_actor(
    bus: Bus, run_portfolio: RunPortfolio
) -> None:
    async with run_portfolio(PortfolioSettings(max_losing_round_trips=2)) as old:
        await until_limits(bus, lambda limits: True)
        for number in range(2):
            fill = msgspec.structs.replace(FILL, trade_id=TradeId(str(number)), round_trip=Decimal(-1))
            await bus.store(subjects.fill(SIM, BTC), fill)
        await until_limits(bus, lambda limits: usdt(limits).breaker is BreakerState.OPEN)
        async with run_portfolio():
            again = await until(
                bus,
                Stream.JOURNAL,
                STEPS,
                lambda event: isinstance(event, PortfolioStep) and event.epoch == 2,
            )
            assert isinstance(again, PortfolioStep)
            assert again.state.buckets["USDT"].breaker.state is BreakerState.OPEN
            await send(bus, CommandName.RESET, venue=ALL_VENUES)
            await until_limits(
                bus, lambda limits: usdt(limits).breaker is BreakerState.CLOSED and limits.step > again.step
            )
            with pytest.RaisesGroup(Fenced):
                await old


async def test_a_command_to_all_reaches_each_symbol_and_is_answered_once(
    bus: Bus, run_portfolio: RunPortfolio
) -> None:
    await register(bus, BTC)
    await register(bus, ETH)
    async with run_portfolio():
        await until_limits(bus, lambda limits: True)
        command = await send(bus, CommandName.PAUSE)
        answer = await result_of(bus, ALL, command.command_id)
        received = await until(
            bus, Stream.CONTROL, subjects.command(SIM, ETH, CommandName.PAUSE), lambda event: True
        )
    assert answer.outcome is CommandOutcome.APPLIED
    assert isinstance(received, Command)
    assert received.command_id == f"{command.command_id}.{ETH}"


async def test_committed_but_unpublished_events_are_published_by_the_next_actor(
    bus: Bus, run_portfolio: RunPortfolio
) -> None:
    async with run_portfolio():
        await until_limits(bus, lambda limits: True)
    stored = await bus.last(Stream.JOURNAL, STEPS)
    assert stored is not None
    step = decode_as(stored.data, PortfolioStep)
    to_btc = msgspec.structs.replace(COMMAND, symbol=BTC, command_id="x.BTC")
    entry = SymbolEntry(venue=SIM, symbol=ETH, instance="sqt", generation=1, settings=SETTINGS)
    unpublished = msgspec.structs.replace(step, step=step.step + 1, commands=(to_btc,), entries=(entry,))
    await bus.store(STEPS, unpublished)
    async with run_portfolio():
        await until(bus, Stream.CONTROL, subjects.command(SIM, BTC, to_btc.name), lambda event: True)
        await until_limits(bus, lambda limits: limits.step == unpublished.step)
    stored_entry = await Registry(bus, "symbols").get(subjects.registry_key(SIM, ETH))
    assert stored_entry is not None
    assert decode_as(stored_entry.data, SymbolEntry) == entry


async def test_a_symbol_is_added_once_with_the_next_generation(
    bus: Bus, run_portfolio: RunPortfolio, run_actor: RunActor
) -> None:
    await Registry(bus, "instruments").create(subjects.registry_key(SIM, BTC), INSTRUMENT)
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        await until_step(bus, lambda step: True)
    async with run_portfolio():
        await until_limits(bus, lambda limits: True)
        command = await send(bus, CommandName.ADD, BTC, settings=SETTINGS)
        answer = await result_of(bus, BTC, command.command_id)
        again = await send(bus, CommandName.ADD, BTC, settings=SETTINGS, command_id="again")
        second = await result_of(bus, BTC, again.command_id)
    stored = await Registry(bus, "symbols").get(subjects.registry_key(SIM, BTC))
    assert (answer.outcome, second.outcome) == (CommandOutcome.APPLIED, CommandOutcome.UNCHANGED)
    assert stored is not None
    assert decode_as(stored.data, SymbolEntry).generation == ENTRY.generation + 1


async def test_add_is_checked_at_the_price_and_against_the_running_settings(
    bus: Bus, run_portfolio: RunPortfolio
) -> None:
    await Registry(bus, "instruments").create(subjects.registry_key(SIM, BTC), INSTRUMENT)
    await bus.store(subjects.ticker(SIM, BTC), TICKER)
    stopped = msgspec.structs.replace(SETTINGS, stop_below_price=TICKER.last)
    async with run_portfolio():
        await until_limits(bus, lambda limits: True)
        command = await send(bus, CommandName.ADD, BTC, settings=stopped)
        refused = await result_of(bus, BTC, command.command_id)
        await send(bus, CommandName.ADD, BTC, settings=SETTINGS, command_id="second")
        await result_of(bus, BTC, "second")
        await send(bus, CommandName.ADD, BTC, settings=stopped, command_id="third")
        differs = await result_of(bus, BTC, "third")
    assert "is reached already" in refused.detail
    assert "stop_below_price is off, not" in differs.detail


async def test_a_symbol_unknown_to_the_venue_is_rejected(bus: Bus, run_portfolio: RunPortfolio) -> None:
    async with run_portfolio():
        await until_limits(bus, lambda limits: True)
        command = await send(bus, CommandName.ADD, ETH, settings=SETTINGS)
        answer = await result_of(bus, ETH, command.command_id)
    assert answer.outcome is CommandOutcome.REFUSED


async def test_limits_reach_a_symbol_before_its_first_price(
    bus: Bus, run_portfolio: RunPortfolio, run_actor: RunActor
) -> None:
    async with run_portfolio(PortfolioSettings(max_exposure=Decimal(1000))), run_actor():
        await hold(bus, ETH, "-10")
        await until_limits(bus, lambda limits: not limits.is_opening_allowed)
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        view = await until(
            bus,
            Stream.JOURNAL,
            subjects.grid(SIM, BTC),
            lambda event: isinstance(event, GridView) and event.not_quoting is NotQuoting.EXPOSURE_LIMIT,
        )
    assert isinstance(view, GridView)


async def test_changed_settings_apply_while_running(bus: Bus, run_portfolio: RunPortfolio) -> None:
    await hold(bus, BTC, "10")
    async with run_portfolio():
        await until_limits(bus, lambda limits: limits.is_opening_allowed)
        await Registry(bus, "portfolios").create(ALL, entry(PortfolioSettings(max_exposure=Decimal(500))))
        await until_limits(bus, lambda limits: not limits.is_opening_allowed)


async def test_undecodable_messages_are_skipped(bus: Bus, run_portfolio: RunPortfolio) -> None:
    await bus.store(subjects.grid(SIM, BTC), TICKER)
    async with run_portfolio():
        await until_limits(bus, lambda limits: True)
        await bus.publish(subjects.command(SIM, Symbol(ALL), CommandName.TRIP), b"{invalid")
        command = await send(bus, CommandName.TRIP, venue=ALL_VENUES)
        assert (await result_of(bus, ALL, command.command_id, ALL_VENUES)).outcome is CommandOutcome.APPLIED


async def test_an_unknown_type_of_input_raises_one_alert_and_the_portfolio_continues(
    bus: Bus, run_portfolio: RunPortfolio
) -> None:
    async with run_portfolio():
        await until_limits(bus, lambda limits: True)
        for name in (CommandName.PAUSE, CommandName.RESUME):
            await bus.publish(subjects.command(SIM, Symbol(ALL), name), b'{"type":"AddedLater"}')
        await send(bus, CommandName.TRIP, venue=ALL_VENUES)
        await result_of(bus, ALL, f"trip-{ALL}", ALL_VENUES)
    alerts = await last_per_subject(bus, Stream.ALERTS, ("alert.>",))

    (alert,) = [decode_as(each.data, AlertRaised) for each in alerts]
    assert (alert.code, alert.incident) == ("unknown_kind", "unknown_kind._all._all.CONTROL.1")
    assert await bus.last_sequence(Stream.ALERTS) == 1


async def test_the_positions_of_all_venues_count_towards_one_limit(
    bus: Bus, run_portfolio: RunPortfolio
) -> None:
    await hold(bus, BTC, "6")
    await hold(bus, BTC, "-4", OTHER)
    async with run_portfolio(PortfolioSettings(max_exposure=Decimal(1000))):
        found = await until_limits(bus, lambda limits: not limits.is_opening_allowed)
    assert usdt(found).exposure == 1000
    assert [(each.venue, each.symbol) for each in found.symbols] == [(SIM, BTC), (OTHER, BTC)]


async def test_a_command_to_all_venues_reaches_the_symbols_of_each(
    bus: Bus, run_portfolio: RunPortfolio
) -> None:
    await register(bus, BTC)
    await register(bus, BTC, OTHER)
    async with run_portfolio():
        await until_limits(bus, lambda limits: True)
        command = await send(bus, CommandName.PAUSE, venue=ALL_VENUES)
        answer = await result_of(bus, ALL, command.command_id, ALL_VENUES)
        for venue in (SIM, OTHER):
            await until(bus, Stream.CONTROL, subjects.command(venue, BTC, CommandName.PAUSE), lambda _: True)
    assert answer.detail == f"forwarded to 2 symbols, each answers: sim {BTC}, sim2 {BTC}"


async def test_a_symbol_is_added_at_the_venue_that_the_command_names(
    bus: Bus, run_portfolio: RunPortfolio
) -> None:
    await register(bus, BTC)
    instrument = msgspec.structs.replace(INSTRUMENT, venue=OTHER)
    await Registry(bus, "instruments").create(subjects.registry_key(OTHER, BTC), instrument)
    async with run_portfolio():
        await until_limits(bus, lambda limits: True)
        command = await send(bus, CommandName.ADD, BTC, OTHER, settings=SETTINGS)
        assert (await result_of(bus, BTC, command.command_id, OTHER)).outcome is CommandOutcome.APPLIED
        async with aclosing(Registry(bus, "symbols").follow()) as changes, asyncio.timeout(20):
            async for key, _ in changes:
                if key == subjects.registry_key(OTHER, BTC):
                    break
