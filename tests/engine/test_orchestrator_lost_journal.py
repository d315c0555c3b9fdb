"""Engines whose journal was lost."""

import asyncio

import msgspec
import pytest

from bus import Bus, EmbeddedServer, provision
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import CommandName
from schemas.engine.events import AlertRaised
from schemas.subjects import Stream
from schemas.venue.orders import OrderIntent
from tests.builders import BTC, COMMAND, SIM
from tests.engine.actor.test_actor import first_on, has_orders
from tests.engine.conftest import until_step
from tests.engine.engines import ENTRY, KEY, engine, register, standings, tick

pytestmark = pytest.mark.usefixtures("short_shutdown")


@pytest.mark.parametrize("endpoint", ["PURGE", "DELETE"])
async def test_a_lost_journal_is_continued_by_the_engine_that_wrote_it(
    server: EmbeddedServer, bus: Bus, endpoint: str
) -> None:
    await register(bus, ENTRY)
    async with engine(server, "one"), asyncio.timeout(20):
        await tick(bus)
        before = await until_step(bus, has_orders)
        await bus.api(f"STREAM.{endpoint}.{Stream.JOURNAL}", None, dict)
        await tick(bus, later=1)  # its step cannot be committed
        await provision(bus)
        lost = await until_step(bus, lambda step: step.state.resync is not None)
    assert lost.state.accounts == before.state.accounts
    assert (lost.step, lost.epoch) == (before.step + 1, before.epoch + 1)
    assert lost.state.resync is not None
    assert lost.state.resync.raises_generation


async def test_a_journal_that_no_engine_remembers_quarantines_the_symbol_until_a_reset(
    server: EmbeddedServer, bus: Bus
) -> None:
    await register(bus, ENTRY)
    acted_on = OrderIntent(venue=SIM, symbol=BTC, epoch=1, step=7, step_sequence=9, decisions=())
    await bus.store(subjects.order_intent(SIM, BTC), acted_on)
    async with engine(server, "one") as one, asyncio.timeout(20):
        alert = decode_as((await first_on(bus, Stream.ALERTS, subjects.alert(SIM, BTC))).data, AlertRaised)
        reset = msgspec.structs.replace(COMMAND, name=CommandName.RESET, expires_time=2**62)
        await bus.store(subjects.command(SIM, BTC, CommandName.RESET), reset)
        await tick(bus)
        started = await until_step(bus, lambda step: step.state.resync is not None)
        assert standings(one) == {KEY: "running here"}
    assert "has no steps, but the gateway's intent" in alert.detail
    assert started.state.accounts.position == 0
