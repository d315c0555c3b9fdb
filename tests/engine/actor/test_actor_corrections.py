"""An accepted position: the actor asks for the sweeps it needs, and publishes what it booked."""

import asyncio
from contextlib import aclosing
from decimal import Decimal

from msgspec.structs import replace

from bus import Bus, FromStart, read
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandName, CommandResult
from schemas.engine.events import PositionCorrected
from schemas.engine.journal import Step
from schemas.subjects import Stream
from schemas.units import ClientOrderId, Side, TradeId
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.orders import OrderStatus, PlaceOrder
from tests.builders import BTC, COMMAND, OPEN_ORDERS, POSITION, SIM, TICKER, TRADE
from tests.engine.conftest import RunActor, until_step

ACCEPT: Command = replace(
    COMMAND, name=CommandName.RECONCILE, accept=Decimal(0), reason="sold by hand", expires_time=2**62
)


def has_orders(step: Step) -> bool:
    return any(isinstance(each, PlaceOrder) for each in step.decisions)


def results(step: Step) -> list[CommandResult]:
    return [each for each in step.notices if isinstance(each, CommandResult)]


def sweep_of(step: Step, time: int) -> OpenOrders:
    """Return a sweep that finds every order of a step's state."""
    orders = [slot.order for slot in step.state.slots.values() if slot.order]
    listed = tuple(
        OpenOrder(
            client_order_id=each.client_order_id,
            venue_order_id="",
            side=each.side,
            price=each.price,
            quantity=each.quantity,
            cumulative_quantity=each.traded_quantity,
            status=OrderStatus.NEW,
        )
        for each in orders
    )
    return replace(OPEN_ORDERS, orders=listed, includes=0, time=time)


async def first_correction(bus: Bus) -> PositionCorrected:
    filters = (subjects.correction(SIM, BTC),)
    async with aclosing(read(bus, Stream.ENGINE, filters, FromStart())) as batches:
        async for batch in batches:
            for message in batch.messages:
                return decode_as(message.data, PositionCorrected)
    raise AssertionError("a stream is read for ever")


async def test_another_sweep_is_requested_while_the_position_is_unknown(
    bus: Bus, run_actor: RunActor
) -> None:
    requests: asyncio.Queue[object] = asyncio.Queue()
    unsubscribe = await bus.subscribe(subjects.sweep(SIM), requests.put_nowait)
    async with run_actor(), asyncio.timeout(10):
        await requests.get()  # the one at the start
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        placed = await until_step(bus, has_orders)
        await bus.store(subjects.command(SIM, BTC, ACCEPT.name), ACCEPT)
        for passes in (1, 2):
            await requests.get()
            await bus.store(subjects.open_orders(SIM, BTC), sweep_of(placed, TICKER.time + passes))
        answered = await until_step(bus, lambda step: any(each.is_final for each in results(step)))
    await unsubscribe()
    assert results(answered)[0].detail == "the venue's position is unknown: nothing is booked"


async def test_an_accepted_difference_is_published_as_a_correction(bus: Bus, run_actor: RunActor) -> None:
    at_venue = replace(POSITION, quantity=Decimal(0), time=TICKER.time + 3)
    await bus.store(subjects.position(SIM, BTC), at_venue)
    async with run_actor(), asyncio.timeout(10):
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        placed = await until_step(bus, has_orders)
        order = next(each for each in placed.decisions if isinstance(each, PlaceOrder))
        own = replace(
            TRADE,
            client_order_id=order.client_order_id,
            side=order.side,
            price=order.price,
            quantity=order.quantity,
            time=TICKER.time + 1,
        )
        by_hand = replace(
            own,
            trade_id=TradeId("by-hand"),
            client_order_id=ClientOrderId(""),
            side=Side.SELL if own.side is Side.BUY else Side.BUY,
            time=TICKER.time + 2,
        )
        for trade in (own, by_hand):
            await bus.store(subjects.own_trade(SIM, BTC), trade)
        known = await until_step(bus, lambda step: bool(step.state.unbooked_trades))
        await bus.store(subjects.command(SIM, BTC, ACCEPT.name), ACCEPT)
        await until_step(bus, lambda step: bool(step.state.asked))
        for passes in (4, 5):
            await bus.store(subjects.open_orders(SIM, BTC), sweep_of(known, TICKER.time + passes))
        corrected = await first_correction(bus)
    assert (corrected.trade_ids, corrected.position, corrected.operator) == (("by-hand",), Decimal(0), "ann")
    assert corrected.quantity == by_hand.side.sign * by_hand.quantity
