"""Memory of stored events: what is lost with the stream, and what another process stores meanwhile."""

import asyncio

import msgspec
import pytest

from bus import Bus, Logger
from producers.account.own_events import FUNDING_OVERLAP_NS, OwnEvents
from producers.retry import Outbox
from schemas import subjects
from schemas.subjects import Stream
from schemas.units import TradeId
from schemas.venue.orders import Funding
from tests.builders import BTC, SIM, TIME, TRADE
from tests.schemas.examples import EXAMPLES

FUNDING = next(event for event in EXAMPLES if isinstance(event, Funding))
SUBJECT = subjects.own_trade(SIM, BTC)
LOG = Logger("test")


@pytest.fixture
async def events(bus: Bus) -> OwnEvents:
    """The events of a symbol, read from an empty stream."""
    events = OwnEvents(bus, Outbox(bus, LOG), SIM, BTC, LOG)
    await events.read(0, 0)
    return events


async def test_an_event_is_stored_once(bus: Bus, events: OwnEvents) -> None:
    assert await asyncio.gather(*(events.store(TRADE) for _ in range(3))) == [True, False, False]
    assert await bus.last_sequence(Stream.ORDERS) == 1
    assert not await events.is_lost()


async def test_events_before_the_mark_are_forgotten_and_payments_later_than_trades(events: OwnEvents) -> None:
    funding = msgspec.structs.replace(FUNDING, time=TIME)
    await events.store(TRADE)
    await events.store(funding)
    events.forget_before(TIME + 1)
    assert (await events.store(TRADE), await events.store(funding)) == (True, False)
    events.forget_before(TIME + 1 + FUNDING_OVERLAP_NS)
    assert await events.store(funding)


async def test_a_trade_stored_by_another_process_is_noticed_and_then_known(
    bus: Bus, events: OwnEvents
) -> None:
    other = msgspec.structs.replace(TRADE, trade_id=TradeId("9002"))
    await events.store(TRADE)
    await bus.store(SUBJECT, other)
    assert await events.is_lost()
    await events.read(0, 0)
    assert not await events.is_lost()
    assert not await events.store(other)


async def test_a_purge_of_older_messages_is_no_loss(bus: Bus, events: OwnEvents) -> None:
    await events.store(TRADE)
    await events.store(msgspec.structs.replace(TRADE, trade_id=TradeId("9002"), time=TIME + 2))
    events.forget_before(TIME + 1)
    await bus.api(f"STREAM.PURGE.{Stream.ORDERS}", {"seq": 2}, dict)
    assert not await events.is_lost()
    await bus.api(f"STREAM.PURGE.{Stream.ORDERS}", {}, dict)
    assert await events.is_lost()
