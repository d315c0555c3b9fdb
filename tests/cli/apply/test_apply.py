"""Plans against a real bus: differences, their signs, and what is applied."""

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from bus import Bus, Message, Registry, get_logger
from bus.client.jetstream import StreamInfo
from cli.apply.apply import apply_plan, make_plan
from cli.apply.changes import Plan, Sign
from cli.apply.keep import Keeper
from cli.config.file import Configuration
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandOutcome
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import CurrencyLimits, PortfolioSettings
from schemas.grid.settings import GridMode
from tests.builders import RESULT
from tests.cli.events import ENTRY, SETTINGS, SYMBOL, VENUE, grid_state, step

KEY = subjects.registry_key(VENUE, SYMBOL)
LARGER = replace(ENTRY, settings=replace(SETTINGS, order_amount=Decimal(200)))


def limits(exposure: int) -> PortfolioSettings:
    return PortfolioSettings(currencies={"USDT": CurrencyLimits(max_exposure=Decimal(exposure))})


def configuration(*entries: SymbolEntry, portfolio: PortfolioSettings | None = None) -> Configuration:
    portfolio = portfolio or PortfolioSettings()
    return Configuration(instance="sqt", venues=(), symbols=entries, portfolio=portfolio)


async def applied(bus: Bus, wanted: Configuration) -> Plan:
    plan = await make_plan(bus, wanted)
    await apply_plan(bus, plan, lambda _: None, operator="test")
    return plan


def lines(plan: Plan, sign: Sign) -> list[str]:
    return [line for line in plan.lines() if line.startswith(sign)]


async def run_symbol(bus: Bus) -> None:
    """Register the symbol and store a step, as an engine that runs it."""
    await applied(bus, configuration(ENTRY))
    await bus.store(subjects.step(VENUE, SYMBOL), step(1, state=grid_state()))


async def test_a_second_run_finds_no_difference(bus: Bus) -> None:
    wanted = configuration(ENTRY, portfolio=limits(1000))
    first = await applied(bus, wanted)
    assert "+ sim BTC/USDT:USDT long, 100 USDT every 1 USDT" in first.lines()
    assert "+ limits USDT max_exposure off -> 1000 USDT" in first.lines()
    assert (await make_plan(bus, wanted)).lines() == ["= 13 streams, limits, 1 symbol"]


async def test_a_missing_stream_is_a_difference(bus: Bus) -> None:
    await bus.api("STREAM.DELETE.MARKET", None, dict)
    plan = await applied(bus, configuration(ENTRY))
    assert lines(plan, Sign.ADD)[0] == "+ stream MARKET"
    assert (await bus.api("STREAM.INFO.MARKET", None, StreamInfo)).state.messages == 0


async def test_changed_settings_of_a_running_symbol_need_a_confirmation(bus: Bus) -> None:
    await run_symbol(bus)
    plan = await make_plan(bus, configuration(LARGER))
    assert lines(plan, Sign.CHANGE) == ["~ sim BTC/USDT:USDT order_amount 100 USDT -> 200 USDT"]
    assert plan.needs_confirmation
    assert not plan.additions().changes


async def test_an_immutable_setting_is_blocked(bus: Bus) -> None:
    await run_symbol(bus)
    plan = await make_plan(
        bus, configuration(replace(ENTRY, settings=replace(SETTINGS, mode=GridMode.NEUTRAL)))
    )
    assert lines(plan, Sign.BLOCKED)[0].startswith(
        "! sim BTC/USDT:USDT mode long -> neutral: cannot be changed"
    )


async def test_settings_that_the_engine_would_refuse_are_blocked(bus: Bus) -> None:
    await run_symbol(bus)
    tiny = replace(ENTRY, settings=replace(SETTINGS, buy_window=0))
    plan = await make_plan(bus, configuration(tiny))
    assert "buy_window 0 must be at least 1" in lines(plan, Sign.BLOCKED)[0]


async def test_looser_limits_need_a_confirmation_and_tighter_ones_do_not(bus: Bus) -> None:
    await applied(bus, configuration(ENTRY, portfolio=limits(1000)))
    looser = await make_plan(bus, configuration(ENTRY, portfolio=limits(2000)))
    assert lines(looser, Sign.CHANGE) == ["~ limits USDT max_exposure 1000 USDT -> 2000 USDT (looser)"]
    assert looser.needs_confirmation
    assert (await make_plan(bus, configuration(ENTRY))).needs_confirmation
    assert not (await make_plan(bus, configuration(ENTRY, portfolio=limits(500)))).needs_confirmation


async def test_a_running_symbol_is_changed_by_a_command(bus: Bus) -> None:
    await run_symbol(bus)
    commands: asyncio.Queue[Command] = asyncio.Queue()

    def receive(message: Message) -> None:
        if not message.subject.endswith(".result"):
            commands.put_nowait(decode_as(message.data, Command))

    await bus.subscribe("control.>", receive)
    said: list[str] = []
    plan = await make_plan(bus, configuration(LARGER))
    applying = asyncio.create_task(apply_plan(bus, plan, said.append, operator="test"))
    command = await commands.get()
    assert command.changes == {"order_amount": "200 USDT"}
    result = replace(RESULT, command_id=command.command_id, outcome=CommandOutcome.APPLIED, detail="done")
    await bus.store(subjects.command_result(VENUE, SYMBOL), result)
    await applying
    assert said == ["sim BTC/USDT:USDT: applied: done"]


async def test_a_keeper_adds_what_is_lost_and_changes_nothing_else(bus: Bus) -> None:
    await run_symbol(bus)
    await bus.api("STREAM.DELETE.MARKET", None, dict)
    keeper = Keeper(configuration(LARGER), get_logger("apply"), operator="test")
    await keeper.check(bus)
    assert (await bus.api("STREAM.INFO.MARKET", None, StreamInfo)).state.messages == 0
    assert keeper.health()["status"] == "degraded"
    assert "order_amount 100 USDT -> 200 USDT" in keeper.problem
    stored = await Registry(bus, "symbols").get(KEY)
    assert stored is not None
    assert decode_as(stored.data, SymbolEntry) == ENTRY
