"""Opening orders at the start and afterwards, from a real bus."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal as D  # noqa: N817 - many literals read better

import msgspec

from bus import Bus, get_logger, provision
from producers.gateway.holdings import SymbolHoldings
from producers.gateway.holdings_feed import HoldingsFeed
from producers.gateway.steps import decode_step
from schemas import subjects
from schemas.engine.journal import MessageRef, RiskSummary, StreamOffset
from schemas.subjects import Stream
from schemas.units import ClientOrderId, Side, TradeId
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.order_ids import order_id
from schemas.venue.orders import OrderIntent, OrderStatus, PlaceOrder
from tests.builders import REPORT, SIM, TRADE
from tests.producers.gateways import INTENTS, REPORTS, STEP
from tests.producers.simulated.examples import PERP, decision

TRADES = subjects.own_trade(SIM, PERP)
STEPS = subjects.step(SIM, PERP)


def own_id(level: int, side: Side = Side.BUY) -> ClientOrderId:
    return order_id("sqt", PERP, 1, level, side, 1)


def order(level: int, *, opens: bool = True) -> PlaceOrder:
    placed = decision(Side.BUY, "100", own_id(level), quantity="2")
    return msgspec.structs.replace(placed, opens=opens)


def listed(client_order_id: str, *, cumulative: str = "0", reduce_only: bool = False) -> OpenOrder:
    return OpenOrder(
        client_order_id=ClientOrderId(client_order_id),
        venue_order_id="1",
        side=Side.BUY,
        price=D(100),
        quantity=D(2),
        cumulative_quantity=D(cumulative),
        status=OrderStatus.NEW,
        reduce_only=reduce_only,
    )


async def store_intent(bus: Bus, *orders: PlaceOrder) -> int:
    intent = OrderIntent(venue=SIM, symbol=PERP, epoch=1, step=1, step_sequence=1, decisions=orders)
    return await bus.store(INTENTS, intent)


async def store_trade(bus: Bus, client_order_id: ClientOrderId, trade_id: str = "t1") -> int:
    event = msgspec.structs.replace(
        TRADE, symbol=PERP, client_order_id=client_order_id, trade_id=TradeId(trade_id), quantity=D(1)
    )
    return await bus.store(TRADES, event)


async def store_report(bus: Bus, client_order_id: ClientOrderId) -> int:
    event = msgspec.structs.replace(
        REPORT, symbol=PERP, client_order_id=client_order_id, status=OrderStatus.CANCELED
    )
    return await bus.store(REPORTS, event)


async def store_step(bus: Bus, position: str, included: int, *inputs: int) -> int:
    offset = StreamOffset(created=await bus.stream_created(Stream.ORDERS), sequence=included)
    step = msgspec.structs.replace(
        STEP,
        decisions=(),
        offsets={Stream.ORDERS: offset},
        risk=RiskSummary(generation=1, position=D(position), price=D(100), booked_through=0),
        inputs=tuple(MessageRef(stream=Stream.ORDERS, sequence=each) for each in inputs),
    )
    return await bus.store(STEPS, step)


async def store_sweep(bus: Bus, includes: int, *orders: OpenOrder) -> None:
    sweep = OpenOrders(venue=SIM, symbol=PERP, orders=orders, includes=includes, time=1)
    await bus.store(subjects.open_orders(SIM, PERP), sweep)


@asynccontextmanager
async def following(
    bus: Bus, *, is_remote: bool = False
) -> AsyncIterator[tuple[HoldingsFeed, SymbolHoldings]]:
    holdings = SymbolHoldings()
    feed = HoldingsFeed(bus, SIM, PERP, holdings, get_logger("test"), is_remote=is_remote)
    task = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(20):
            await feed.ready.wait()
        yield feed, holdings
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_own_orders_of_the_last_sweep_count(bus: Bus) -> None:
    included = await store_report(bus, own_id(9))
    await store_step(bus, "0", included)
    await store_sweep(bus, included, listed(own_id(-1)), listed(own_id(-2)), listed("by-hand"))
    async with following(bus) as (_, holdings):
        assert holdings.working == [own_id(-1), own_id(-2)]


async def test_reduce_only_orders_do_not_count(bus: Bus) -> None:
    included = await store_report(bus, own_id(9))
    await store_sweep(bus, included, listed(own_id(-1), reduce_only=True))
    async with following(bus) as (_, holdings):
        assert holdings.working == []


async def test_orders_of_intents_behind_the_sweep_count_until_they_end(bus: Bus) -> None:
    included = await store_report(bus, own_id(9))
    await store_sweep(bus, included)
    await store_intent(bus, order(-1), order(-2), order(-3, opens=False))
    await store_report(bus, own_id(-1))
    async with following(bus) as (_, holdings):
        assert holdings.working == [own_id(-2)]


async def test_an_order_that_may_have_been_on_its_way_during_the_sweep_counts(bus: Bus) -> None:
    await store_intent(bus, order(-1))
    await store_sweep(bus, await store_report(bus, own_id(9)))
    async with following(bus) as (_, holdings):
        assert holdings.working == [own_id(-1)]


async def test_a_closing_order_of_an_older_intent_is_forgotten(bus: Bus) -> None:
    await store_intent(bus, order(-1, opens=False))
    included = await store_report(bus, own_id(9))
    await store_step(bus, "0", included)
    await store_sweep(bus, included, listed(own_id(-1)), listed(own_id(-2)))
    async with following(bus) as (feed, holdings):
        await feed.forget_closing_orders()
        assert holdings.working == [own_id(-2)]


async def test_a_partly_filled_order_of_the_sweep_counts_with_its_rest(bus: Bus) -> None:
    included = await store_trade(bus, own_id(-1))
    await store_step(bus, "1", included)
    await store_sweep(bus, included, listed(own_id(-1), cumulative="1"))
    async with following(bus) as (_, holdings):
        assert holdings.orders[own_id(-1)].notional == 100


async def test_a_trade_that_the_sweep_has_and_the_last_step_has_not_counts_as_open(bus: Bus) -> None:
    included = await store_report(bus, own_id(9))
    await store_step(bus, "0", included)
    await store_sweep(bus, await store_trade(bus, own_id(-1)), listed(own_id(-1), cumulative="1"))
    async with following(bus) as (_, holdings):
        assert holdings.worst_case(None) == 200


async def test_trades_and_ends_apply_with_the_step_that_includes_them(bus: Bus) -> None:
    async with following(bus) as (feed, holdings):
        holdings.count(order(-1))
        sequence = await store_trade(bus, own_id(-1))
        await store_step(bus, "1", sequence, sequence)
        message = await bus.last(Stream.JOURNAL, STEPS)
        assert message is not None
        step = decode_step(message, get_logger("test"))
        assert step is not None
        await feed.wait_through(step)
        assert holdings.worst_case(None) == 200
        feed.apply_step(message, step, ())
        assert holdings.worst_case(None) == 200
        assert holdings.orders[own_id(-1)].notional == 100


async def test_intents_of_another_gateway_count(bus: Bus) -> None:
    async with following(bus, is_remote=True) as (feed, holdings):
        await store_intent(bus, order(-1))
        sequence = await store_report(bus, own_id(9))
        await store_step(bus, "0", sequence, sequence)
        message = await bus.last(Stream.JOURNAL, STEPS)
        assert message is not None
        step = decode_step(message, get_logger("test"))
        assert step is not None
        await feed.wait_through(step)
        assert holdings.working == [own_id(-1)]


async def test_in_a_recreated_stream_all_events_are_read_again(bus: Bus) -> None:
    await store_sweep(bus, await store_report(bus, own_id(9)), listed(own_id(-1)))
    await bus.api("STREAM.DELETE.ORDERS", None, dict)
    await provision(bus)
    await store_intent(bus, order(-2))
    async with following(bus) as (_, holdings):
        assert set(holdings.working) == {own_id(-1), own_id(-2)}
