"""The ledger: fills that ENGINE lost come back from JOURNAL; of the others the state says since when none is missing."""

from contextlib import aclosing

import msgspec
import pytest

from bus import Bus, FromStart, message_count, provision, read
from engine.actor import ledger
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.events import AlertRaised, Fill
from schemas.engine.journal import LedgerGap, Step
from schemas.subjects import Stream
from schemas.units import TradeId
from schemas.venue.orders import PlaceOrder
from tests.builders import BTC, SIM, TICKER, TRADE
from tests.engine.conftest import STEPS, RunActor, until_step

FILLS = subjects.fill(SIM, BTC)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "CHECK_INTERVAL_S", 0.05)


async def placed(bus: Bus) -> PlaceOrder:
    """Return an order of the first step that places some."""
    await bus.store(subjects.ticker(SIM, BTC), TICKER)
    step = await until_step(bus, lambda step: any(isinstance(each, PlaceOrder) for each in step.decisions))
    return next(each for each in step.decisions if isinstance(each, PlaceOrder))


async def trade(bus: Bus, order: PlaceOrder, *numbers: int) -> Step:
    """Fill a tenth of an order for each number, and return the step that booked the last one."""
    for number in numbers:
        event = msgspec.structs.replace(
            TRADE,
            trade_id=TradeId(str(number)),
            client_order_id=order.client_order_id,
            side=order.side,
            price=order.price,
            quantity=order.quantity / 10,
            time=TICKER.time + number,
        )
        await bus.store(subjects.own_trade(SIM, BTC), event)
    return await until_step(bus, lambda step: any(each.trade_id == str(numbers[-1]) for each in step.fills))


async def fills(bus: Bus, count: int) -> list[int]:
    """Return the numbers of the first `count` fills on ENGINE, in stream order, waiting for them."""
    found: list[int] = []
    async with aclosing(read(bus, Stream.ENGINE, (FILLS,), FromStart())) as batches:
        async for batch in batches:
            found += [int(decode_as(message.data, Fill).trade_id) for message in batch.messages]
            if len(found) >= count:
                break
    return found


async def purge(bus: Bus, stream: Stream, **options: object) -> None:
    await bus.api(f"STREAM.PURGE.{stream}", options, dict)


async def trim_journal(bus: Bus) -> None:
    """Remove all steps but the last."""
    await purge(bus, Stream.JOURNAL, filter=STEPS, keep=1)


def has_gap(step: Step) -> bool:
    return any(isinstance(each, LedgerGap) for each in step.causes)


async def gaps(bus: Bus) -> int:
    """Return the number of stored steps that record a gap."""
    found = 0
    async with aclosing(read(bus, Stream.JOURNAL, (STEPS,), FromStart())) as batches:
        async for batch in batches:
            found += sum(has_gap(decode_as(message.data, Step)) for message in batch.messages)
            if batch.caught_up:
                break
    return found


async def test_fills_purged_under_a_running_engine_come_back(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        order = await placed(bus)
        await trade(bus, order, 1, 2)
        await fills(bus, 2)
        await purge(bus, Stream.ENGINE)
        assert await fills(bus, 2) == [1, 2]
        await trade(bus, order, 3)
        assert await fills(bus, 3) == [1, 2, 3]
    last = await bus.last(Stream.JOURNAL, STEPS)
    assert last is not None
    assert decode_as(last.data, Step).state.ledger_from == 0


async def test_a_deleted_stream_is_recreated_and_filled(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        order = await placed(bus)
        await trade(bus, order, 1, 2)
        await fills(bus, 2)
        await bus.api(f"STREAM.DELETE.{Stream.ENGINE}", None, dict)
        await provision(bus)
        assert await fills(bus, 2) == [1, 2]


async def test_fills_lost_while_no_engine_ran_come_back(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        order = await placed(bus)
        await trade(bus, order, 1, 2, 3)
        await fills(bus, 3)
    await purge(bus, Stream.ENGINE, filter=FILLS, keep=1)  # the newest one alone shows no loss
    async with run_actor():
        assert sorted(await fills(bus, 3)) == [1, 2, 3]


async def test_decisions_come_back_with_the_fills_but_alerts_are_not_repeated(
    bus: Bus, run_actor: RunActor
) -> None:
    decisions = subjects.decision(SIM, BTC)
    async with run_actor():
        order = await placed(bus)
        await trade(bus, order, 1)
        await fills(bus, 1)
        before = await message_count(bus, Stream.ENGINE, decisions)
        alerts = (await bus.stream_state(Stream.ALERTS)).last
        await purge(bus, Stream.ENGINE)
        await fills(bus, 1)
    assert await message_count(bus, Stream.ENGINE, decisions) == before
    assert (await bus.stream_state(Stream.ALERTS)).last == alerts


async def test_fills_without_their_steps_are_a_gap(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        order = await placed(bus)
        await trade(bus, order, 1, 2)
        await fills(bus, 2)
        await trim_journal(bus)
        await purge(bus, Stream.ENGINE)
        step = await until_step(bus, has_gap)
        last = await trade(bus, order, 3)
    assert (last.state.ledger_from, last.state.lost_fills) == (
        TICKER.time + 3,
        1,
    )  # the last step has the second
    assert sorted(await fills(bus, 2)) == [2, 3]
    assert [each.code for each in step.notices if isinstance(each, AlertRaised)] == ["fills_lost"]


async def test_a_ledger_without_any_fill_begins_after_the_oldest_step(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        booked = await trade(bus, await placed(bus), 1, 2)
        await fills(bus, 2)
        moved = msgspec.structs.replace(
            TICKER, last=TICKER.last * 2, ask=TICKER.ask * 2, time=TICKER.time + 5
        )
        await bus.store(subjects.ticker(SIM, BTC), moved)
        oldest = await until_step(bus, lambda step: step.step > booked.step)
        await trim_journal(bus)
        await purge(bus, Stream.ENGINE)
        step = await until_step(bus, has_gap)
    assert (step.state.ledger_from, step.state.lost_fills) == (oldest.state.time + 1, 2)


async def test_kept_fills_that_lead_to_the_journal_are_not_counted_as_lost(
    bus: Bus, run_actor: RunActor
) -> None:
    async with run_actor():
        order = await placed(bus)
        await trade(bus, order, 1, 2, 3)
        await fills(bus, 3)
        await trim_journal(bus)
        await purge(bus, Stream.ENGINE, filter=FILLS, keep=2)
        step = await until_step(bus, has_gap)
    assert (step.state.ledger_from, step.state.lost_fills) == (TICKER.time + 3, 1)


async def test_a_gap_is_reported_once(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        order = await placed(bus)
        await trade(bus, order, 1, 2)
        await fills(bus, 2)
        await trim_journal(bus)
        await purge(bus, Stream.ENGINE)
        first = await until_step(bus, has_gap)
    async with run_actor():
        last = await trade(bus, order, 3)
    assert last.state.ledger_from == first.state.ledger_from
    assert await gaps(bus) == 1
