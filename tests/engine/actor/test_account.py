"""Account state before the first order: what is published (live), or all of it (complete)."""

import asyncio

import msgspec

from bus import Bus, Registry
from engine.actor.account import CompleteAccount, LiveAccount
from schemas import subjects
from schemas.engine.journal import OtherGrids, Step
from schemas.subjects import ALL
from schemas.units import MILLISECOND_NS, Symbol
from schemas.venue.account import Balance, Position
from schemas.venue.market import FeedChanged, FeedState
from schemas.venue.orders import PlaceOrder
from tests.builders import BTC, INSTRUMENT, SIM, TICKER
from tests.engine.conftest import ENTRY, RunActor, until_step
from tests.schemas.examples import EXAMPLES

BALANCE = next(event for event in EXAMPLES if isinstance(event, Balance))
POSITION = next(event for event in EXAMPLES if isinstance(event, Position))
UP = FeedChanged(venue=SIM, symbol=Symbol(ALL), state=FeedState.UP, reason="", time=1)
DOWN = msgspec.structs.replace(UP, state=FeedState.DOWN)
WITH_PREFLIGHT = msgspec.structs.replace(
    ENTRY, settings=msgspec.structs.replace(ENTRY.settings, preflight=True, max_leverage=POSITION.leverage)
)


NO_OTHERS = OtherGrids(grids=())


async def publish(bus: Bus, stream: FeedChanged = UP) -> None:
    await bus.store(subjects.balance(SIM, INSTRUMENT.settle), BALANCE)
    await bus.store(subjects.position(SIM, BTC), POSITION)
    await bus.store(subjects.account_feed(SIM), stream)


async def test_a_live_account_is_what_is_published(bus: Bus) -> None:
    account = LiveAccount(bus, INSTRUMENT)
    assert not await account.read()
    await publish(bus)
    assert not await account.read()  # it was read just now
    assert list(await LiveAccount(bus, INSTRUMENT).read()) == [UP, BALANCE, POSITION, NO_OTHERS]


async def test_undecodable_state_is_skipped(bus: Bus) -> None:
    await publish(bus)
    await bus.store(subjects.account_feed(SIM), TICKER)
    assert list(await LiveAccount(bus, INSTRUMENT).read()) == [BALANCE, POSITION, NO_OTHERS]


async def test_a_complete_account_waits_for_all_items_and_does_not_change(bus: Bus) -> None:
    account = CompleteAccount(bus, INSTRUMENT)
    await publish(bus, DOWN)
    waiting = asyncio.create_task(account.read())
    await bus.store(subjects.account_feed(SIM), UP)
    first = await waiting
    await publish(bus, DOWN)
    assert await account.read() == first
    published = [msgspec.structs.replace(each, time=0) for each in (UP, BALANCE, POSITION)]
    assert first == [*published, NO_OTHERS]


async def test_the_other_grids_of_the_account_are_part_of_it(bus: Bus) -> None:
    await publish(bus)
    for symbol in (BTC, Symbol("ETH/USDT:USDT")):
        entry = msgspec.structs.replace(ENTRY, symbol=symbol)
        await Registry(bus, "symbols").create(subjects.registry_key(SIM, symbol), entry)
    others = (await LiveAccount(bus, INSTRUMENT).read())[-1]
    assert isinstance(others, OtherGrids)
    assert [each.symbol for each in others.grids] == ["ETH/USDT:USDT"]


async def test_a_symbol_starts_once_the_account_passes_its_preflight(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor(WITH_PREFLIGHT):
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        waiting = await until_step(bus, lambda step: step.state.anchor is not None)
        assert waiting.state.startup is not None
        await publish(bus)
        started = asyncio.create_task(until_step(bus, _has_orders))
        number = 0
        while not started.done():
            number += 1
            time = TICKER.time + number * MILLISECOND_NS
            await bus.store(subjects.ticker(SIM, BTC), msgspec.structs.replace(TICKER, time=time))
        assert started.result().state.startup is None


def _has_orders(step: Step) -> bool:
    return any(isinstance(each, PlaceOrder) for each in step.decisions)
