"""Actor on a real bus: commits, publishes, takes over, fences, skips undecodable messages."""

from contextlib import aclosing
from decimal import Decimal

import msgspec
import pytest

from bus import Bus, Fenced, Journal, LastPerSubject, Received, read
from schemas import subjects
from schemas.codec import decode_as, encode
from schemas.engine.control import CommandOutcome, CommandResult
from schemas.engine.events import Fill
from schemas.engine.journal import Step
from schemas.grid.view import GridView
from schemas.subjects import Stream
from schemas.traceparent import new_trace, traceparent_of
from schemas.units import MILLISECOND_NS, TradeId
from schemas.venue.account import OpenOrders, Position
from schemas.venue.market import Candle, FeedChanged, FeedState
from schemas.venue.orders import CancelOrder, OrderReport, OrderStatus, PlaceOrder, Trade
from tests.builders import BTC, COMMAND, FILL, SETTINGS, SIM, TICKER, TRADE
from tests.engine.conftest import ENTRY, STEPS, RunActor, until_step
from tests.schemas.examples import EXAMPLES


async def first_on(bus: Bus, stream: Stream, subject: str) -> Received:
    async with aclosing(read(bus, stream, (subject,), LastPerSubject())) as batches:
        async for batch in batches:
            if batch.messages:
                return batch.messages[0]
    raise AssertionError("a stream is read for ever")


CANDLE = next(event for event in EXAMPLES if isinstance(event, Candle))


def places(step: Step) -> list[PlaceOrder]:
    return [decision for decision in step.decisions if isinstance(decision, PlaceOrder)]


def has_orders(step: Step) -> bool:
    return bool(places(step))


def trade_of(order: PlaceOrder) -> Trade:
    return msgspec.structs.replace(
        TRADE,
        client_order_id=order.client_order_id,
        side=order.side,
        price=order.price,
        quantity=order.quantity,
        trade_id=TradeId("1"),
        time=TICKER.time + 1,
    )


async def test_the_first_price_sets_the_anchor_and_the_first_orders(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        step = await until_step(bus, has_orders)
    assert step.state.anchor == TICKER.last
    assert len(places(step)) == 20


async def test_a_trade_is_committed_then_published_as_a_fill(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        order = places(await until_step(bus, has_orders))[0]
        await bus.store(subjects.own_trade(SIM, BTC), trade_of(order))
        fill = decode_as((await first_on(bus, Stream.ENGINE, subjects.fill(SIM, BTC))).data, Fill)
        step = await until_step(bus, lambda step: bool(step.fills))
    assert step.fills == (fill,)
    assert fill.client_order_id == order.client_order_id


async def test_step_and_fill_continue_the_trace_of_the_trade(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        order = places(await until_step(bus, has_orders))[0]
        await bus.store(subjects.own_trade(SIM, BTC), trade_of(order), message_id="trade.1")
        fill = await first_on(bus, Stream.ENGINE, subjects.fill(SIM, BTC))
        step = await until_step(bus, lambda step: bool(step.fills))
        stored = await first_on(bus, Stream.JOURNAL, STEPS)
    assert step.trace == new_trace("trade.1")
    assert fill.headers["traceparent"] == traceparent_of(step) == stored.headers["traceparent"]


async def test_a_duplicate_trade_is_booked_once(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        order = places(await until_step(bus, has_orders))[0]
        for _ in range(2):
            await bus.store(subjects.own_trade(SIM, BTC), trade_of(order))
        filled = OrderReport(
            venue=SIM,
            symbol=BTC,
            client_order_id=order.client_order_id,
            status=OrderStatus.FILLED,
            cumulative_quantity=order.quantity,
            time=TICKER.time + 2,
        )
        sequence = await bus.store(subjects.order_report(SIM, BTC), filled)
        await bus.store(
            subjects.command(SIM, BTC, "pause"), msgspec.structs.replace(COMMAND, expires_time=2**62)
        )
        step = await until_step(bus, lambda step: step.offsets[Stream.ORDERS].sequence >= sequence)
    assert step.state.accounts.position == order.quantity * order.side.sign


async def test_the_next_actor_continues_from_the_last_step(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        before = await until_step(bus, has_orders)
    async with run_actor():
        claim = await until_step(bus, lambda step: step.epoch == before.epoch + 1)
    assert claim.state == before.state
    assert claim.step == before.step
    assert claim.decisions == ()


async def test_an_actor_that_was_replaced_is_fenced(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor() as old:
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        await until_step(bus, has_orders)
        async with run_actor():
            await until_step(bus, lambda step: step.epoch == 2)
            moved = msgspec.structs.replace(
                TICKER, last=TICKER.last * 2, ask=TICKER.ask * 2, time=TICKER.time + 1
            )
            await bus.store(subjects.ticker(SIM, BTC), moved)
            with pytest.RaisesGroup(Fenced):
                await old


async def test_committed_but_unpublished_events_are_published_at_the_next_start(
    bus: Bus, run_actor: RunActor
) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        step = await until_step(bus, has_orders)
    journal = await Journal.open(bus, Stream.JOURNAL, STEPS)
    unpublished = msgspec.structs.replace(
        step, step=step.step + 1, fills=(FILL,), published_through=journal.sequence
    )
    await journal.commit(unpublished)
    async with run_actor():
        published = await first_on(bus, Stream.ENGINE, subjects.fill(SIM, BTC))
    assert decode_as(published.data, Fill) == FILL


async def test_undecodable_messages_are_skipped(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.publish(subjects.own_trade(SIM, BTC), b"{invalid")
        await bus.publish(subjects.order_report(SIM, BTC), encode(TICKER))
        await bus.publish(subjects.ticker(SIM, BTC), b"\xff")
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        step = await until_step(bus, has_orders)
    assert step.state.anchor == TICKER.last


async def test_an_undecodable_step_fences_and_the_next_actor_skips_it(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        before = await until_step(bus, has_orders)
    await bus.store(STEPS, TICKER)
    async with run_actor():
        moved = msgspec.structs.replace(
            TICKER, last=TICKER.last + 60, ask=TICKER.ask + 60, time=TICKER.time + 1
        )
        await bus.store(subjects.ticker(SIM, BTC), moved)
        after = await until_step(bus, lambda step: step.epoch == 2 and bool(step.causes))
    assert after.step == before.step + 1


async def test_a_command_is_answered(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        await until_step(bus, has_orders)
        await bus.store(subjects.command(SIM, BTC, "pause"), COMMAND)
        answer = await first_on(bus, Stream.CONTROL, subjects.command_result(SIM, BTC))
    result = decode_as(answer.data, CommandResult)
    assert (result.command_id, result.outcome) == (COMMAND.command_id, CommandOutcome.EXPIRED)


async def test_silence_cancels_opening_orders_until_a_tick(bus: Bus, run_actor: RunActor) -> None:
    settings = msgspec.structs.replace(SETTINGS, stale_after=MILLISECOND_NS)
    async with run_actor(msgspec.structs.replace(ENTRY, settings=settings)):
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        lost = await until_step(bus, lambda step: bool(step.state.feed_lost_time))
        later = msgspec.structs.replace(TICKER, time=TICKER.time + 1)
        await bus.store(subjects.ticker(SIM, BTC), later)
        await until_step(bus, lambda step: step.step > lost.step and not step.state.feed_lost_time)
    assert sum(isinstance(each, CancelOrder) for each in lost.decisions) == 20


async def test_a_lost_feed_is_applied(bus: Bus, run_actor: RunActor) -> None:
    down = FeedChanged(venue=SIM, symbol=BTC, state=FeedState.DOWN, reason="", time=TICKER.time)
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        await until_step(bus, has_orders)
        await bus.store(subjects.feed(SIM, BTC), down)
        step = await until_step(bus, lambda step: bool(step.state.feed_lost_time))
    assert step.causes == (down,)


async def test_monitored_candles_are_watched_from_the_first_tick_on(bus: Bus, run_actor: RunActor) -> None:
    settings = msgspec.structs.replace(SETTINGS, monitor_symbols=(BTC,))
    await bus.store(subjects.closed_candle(SIM, BTC, "1m"), CANDLE)
    async with run_actor(msgspec.structs.replace(ENTRY, settings=settings)):
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        first = await until_step(bus, has_orders)
        later = msgspec.structs.replace(CANDLE, open_time=CANDLE.open_time + 1)
        await bus.store(subjects.closed_candle(SIM, BTC, "1m"), later)
        await until_step(bus, lambda step: step.causes == (later,))
    assert first.state.watched[BTC].closes == [CANDLE.close]


async def test_the_venues_position_is_compared_with_a_sweep(bus: Bus, run_actor: RunActor) -> None:
    sweep = next(event for event in EXAMPLES if isinstance(event, OpenOrders))
    sweep = msgspec.structs.replace(sweep, orders=(), includes=0, time=TICKER.time + 2)
    held = next(event for event in EXAMPLES if isinstance(event, Position))
    held = msgspec.structs.replace(held, time=TICKER.time + 1)
    settings = msgspec.structs.replace(SETTINGS, order_amount=Decimal(1))
    async with run_actor(msgspec.structs.replace(ENTRY, settings=settings)):
        await bus.store(subjects.position(SIM, BTC), held)
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        await until_step(bus, lambda step: step.state.price is not None)
        await bus.store(subjects.open_orders(SIM, BTC), sweep)
        step = await until_step(bus, lambda step: bool(step.state.foreign_position))
    assert (step.causes, step.state.foreign_position) == ((held,), held.quantity)


async def test_viewers_get_the_grid_of_the_newest_step(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        shown = await first_on(bus, Stream.JOURNAL, subjects.grid(SIM, BTC))
    assert decode_as(shown.data, GridView).anchor_price == TICKER.last


async def test_a_symbol_that_is_added_again_keeps_the_profit_of_its_earlier_generation(
    bus: Bus, run_actor: RunActor
) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        before = await until_step(bus, has_orders)
    made = msgspec.structs.replace(before.state.accounts, cash=Decimal(70))
    removed = msgspec.structs.replace(before.state, accounts=made, removed=True)
    journal = await Journal.open(bus, Stream.JOURNAL, STEPS)
    await journal.commit(msgspec.structs.replace(before, step=before.step + 1, state=removed, decisions=()))
    async with run_actor(msgspec.structs.replace(ENTRY, generation=2)):
        step = await until_step(bus, lambda step: step.state.generation == 2)
    assert step.state.accounts.cash == 0
    assert step.state.earlier is not None
    assert step.state.earlier.profit == 70
