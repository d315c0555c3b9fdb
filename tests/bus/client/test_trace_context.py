"""The header `traceparent` of stored messages."""

import asyncio

from bus import Bus, provision, trace_context
from schemas import subjects
from schemas.subjects import Stream
from schemas.traceparent import new_trace
from tests.builders import BTC, OPEN_ORDERS, SIM, TRADE

TRADES, SWEEPS = subjects.own_trade(SIM, BTC), subjects.open_orders(SIM, BTC)


async def stored_trace(bus: Bus, stream: Stream, subject: str) -> str | None:
    message = await bus.last(stream, subject)
    assert message is not None
    return message.headers.get("traceparent")


async def test_an_input_stored_again_has_the_same_trace(bus: Bus) -> None:
    await bus.store(TRADES, TRADE, message_id="trade.9001")
    first = await stored_trace(bus, Stream.ORDERS, TRADES)
    await bus.api("STREAM.DELETE.ORDERS", None, dict)
    await provision(bus)
    await bus.store(TRADES, TRADE, message_id="trade.9001")
    assert first == await stored_trace(bus, Stream.ORDERS, TRADES) == new_trace("trade.9001")


async def test_a_message_without_an_id_has_no_trace(bus: Bus) -> None:
    await bus.store(SWEEPS, OPEN_ORDERS)
    assert await stored_trace(bus, Stream.ACCOUNT, SWEEPS) is None


async def test_a_task_keeps_the_context_in_which_it_was_started(bus: Bus) -> None:
    trace = new_trace("step")
    with trace_context(trace):
        task = asyncio.create_task(bus.store(TRADES, TRADE, message_id="trade.9001"))
    await task
    assert await stored_trace(bus, Stream.ORDERS, TRADES) == trace
