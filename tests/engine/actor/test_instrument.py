"""The instrument of a running symbol: followed live, taken at the start of a recording."""

import msgspec

from bus import Attention, Bus, Registry
from engine.actor.market import LiveMarket, RecordedMarket, SilenceTimer
from schemas import subjects
from schemas.units import MILLISECOND_NS
from schemas.venue.instruments import InstrumentStatus
from tests.builders import BTC, INSTRUMENT, SIM, TICKER
from tests.engine.actor.test_actor import has_orders, places
from tests.engine.conftest import RunActor, until_step

KEY = subjects.registry_key(SIM, BTC)
COARSE = msgspec.structs.replace(INSTRUMENT, tick_size=INSTRUMENT.tick_size * 10)
HALTED = msgspec.structs.replace(INSTRUMENT, status=InstrumentStatus.HALTED)
LATER = msgspec.structs.replace(TICKER, time=TICKER.time + MILLISECOND_NS)


async def test_a_changed_instrument_is_applied_while_the_symbol_runs(bus: Bus, run_actor: RunActor) -> None:
    instruments = Registry(bus, "instruments")
    revision = await instruments.create(KEY, INSTRUMENT)
    assert revision is not None
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        await until_step(bus, has_orders)
        await instruments.update(KEY, COARSE, revision)
        step = await until_step(bus, lambda step: COARSE in step.causes)
    assert step.state.instrument == COARSE
    assert not step.decisions


async def test_a_symbol_is_added_with_the_newest_instrument(bus: Bus, run_actor: RunActor) -> None:
    await Registry(bus, "instruments").create(KEY, HALTED)
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        step = await until_step(bus, lambda step: step.state.instrument == HALTED)
    assert not places(step)


async def test_a_change_before_the_first_price_is_applied_with_it(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        before = await until_step(bus, has_orders)
    await Registry(bus, "instruments").create(KEY, COARSE)
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), LATER)
        step = await until_step(bus, lambda step: COARSE in step.causes)
    assert step.step > before.step
    assert LATER in step.causes


def test_only_a_live_market_follows_the_instrument() -> None:
    silence = SilenceTimer(Attention())
    markets = (LiveMarket(silence), LiveMarket(silence, lock_step=True), RecordedMarket())
    assert [each.follows_instrument for each in markets] == [True, False, False]
