"""What a symbol that waits to start is told of the account: what is there, or all of it once it is."""

import asyncio

import msgspec

from bus import Bus
from engine.actor.account import LiveAccount, SettledAccount
from schemas import subjects
from schemas.engine.journal import Step
from schemas.subjects import ALL
from schemas.units import MILLISECOND_NS, Symbol
from schemas.venue.account import Balance, Position
from schemas.venue.market import FeedChanged, FeedState
from schemas.venue.orders import PlaceOrder
from tests.engine.conftest import ENTRY, RunActor, until_step
from tests.schemas.examples import BTC, EXAMPLES, INSTRUMENT, SIM, TICKER

BALANCE = next(event for event in EXAMPLES if isinstance(event, Balance))
POSITION = next(event for event in EXAMPLES if isinstance(event, Position))
UP = FeedChanged(venue=SIM, symbol=Symbol(ALL), state=FeedState.UP, reason="", time=1)
DOWN = msgspec.structs.replace(UP, state=FeedState.DOWN)
CAREFUL = msgspec.structs.replace(
    ENTRY, settings=msgspec.structs.replace(ENTRY.settings, preflight=True, max_leverage=POSITION.leverage)
)


async def tell(bus: Bus, stream: FeedChanged = UP) -> None:
    await bus.store(subjects.balance(SIM, INSTRUMENT.settle), BALANCE)
    await bus.store(subjects.position(SIM, BTC), POSITION)
    await bus.store(subjects.account_feed(SIM), stream)


async def test_live_it_is_what_is_there_by_now(bus: Bus) -> None:
    account = LiveAccount(bus, INSTRUMENT)
    assert not await account.levels()
    await tell(bus)
    assert not await account.levels()  # it looked just now
    assert list(await LiveAccount(bus, INSTRUMENT).levels()) == [UP, BALANCE, POSITION]


async def test_nonsense_is_skipped(bus: Bus) -> None:
    await tell(bus)
    await bus.store(subjects.account_feed(SIM), TICKER)
    assert list(await LiveAccount(bus, INSTRUMENT).levels()) == [BALANCE, POSITION]


async def test_settled_it_is_waited_for_and_stays_the_same(bus: Bus) -> None:
    account = SettledAccount(bus, INSTRUMENT)
    await tell(bus, DOWN)
    waiting = asyncio.create_task(account.levels())
    await bus.store(subjects.account_feed(SIM), UP)
    first = await waiting
    await tell(bus, DOWN)
    assert await account.levels() == first
    assert first == [msgspec.structs.replace(each, time=0) for each in (UP, BALANCE, POSITION)]


async def test_a_symbol_starts_when_the_account_lets_it(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor(CAREFUL):
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        waiting = await until_step(bus, lambda step: step.state.anchor is not None)
        assert waiting.state.startup is not None
        await tell(bus)
        started = asyncio.create_task(until_step(bus, _has_orders))
        number = 0
        while not started.done():
            number += 1
            time = TICKER.time + number * MILLISECOND_NS
            await bus.store(subjects.ticker(SIM, BTC), msgspec.structs.replace(TICKER, time=time))
        assert started.result().state.startup is None


def _has_orders(step: Step) -> bool:
    return any(isinstance(each, PlaceOrder) for each in step.decisions)
