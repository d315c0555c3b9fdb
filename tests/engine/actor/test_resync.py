"""Lost records: an actor stops placing orders, asks for a sweep, and continues when it is answered."""

import asyncio
from contextlib import aclosing

import msgspec

from bus import Bus, FromStart, Journal, Message, get_logger, provision, read
from engine.actor.lost_records import find_loss, is_added_again
from engine.actor.start import INPUTS, OUTPUTS
from engine.journaled_actor import claim_journal
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.events import AlertRaised, Severity
from schemas.engine.journal import ResyncRequired, Step
from schemas.formats import TRADE_OVERLAP_NS, record_hash
from schemas.subjects import Stream
from schemas.venue.account import OpenOrders, SweepRequest
from schemas.venue.order_ids import parse_order_id
from schemas.venue.orders import OrderIntent, PlaceOrder, RecordRef
from tests.builders import BTC, SIM, STEP, TICKER
from tests.engine.conftest import ENTRY, STEPS, RunActor, store_genesis, until_step

INTENTS = subjects.order_intent(SIM, BTC)


def has_orders(step: Step) -> bool:
    return any(isinstance(each, PlaceOrder) for each in step.decisions)


def resync_of(step: Step) -> ResyncRequired | None:
    return next((each for each in step.causes if isinstance(each, ResyncRequired)), None)


def is_resyncing(step: Step) -> bool:
    return resync_of(step) is not None


async def answer(bus: Bus, request_id: str) -> None:
    sweep = OpenOrders(
        venue=SIM,
        symbol=BTC,
        orders=(),
        includes=0,
        time=TICKER.time,
        complete_through=TICKER.time,
        answers=(request_id,),
    )
    await bus.store(subjects.open_orders(SIM, BTC), sweep)


async def place_first_orders(bus: Bus, run_actor: RunActor) -> Step:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        return await until_step(bus, has_orders)


async def purge(bus: Bus, stream: Stream) -> None:
    await bus.api(f"STREAM.PURGE.{stream}", None, dict)


async def test_a_new_symbol_waits_for_the_first_intent_of_its_gateway(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor(with_gateway=False):
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        assert await bus.last(Stream.JOURNAL, STEPS) is None
        await store_genesis(bus)
        first = await until_step(bus, has_orders)
    intent = await bus.last(Stream.ORDERS, INTENTS)
    assert intent is not None
    assert first.intent == RecordRef(sequence=intent.sequence, hash=record_hash(intent.data))


async def test_a_recreated_stream_of_orders_is_not_read_again_but_the_venue_is_asked(
    bus: Bus, run_actor: RunActor
) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        before = await until_step(bus, has_orders)
        requests: asyncio.Queue[Message] = asyncio.Queue()
        await bus.subscribe(subjects.sweep(SIM), requests.put_nowait)
        await bus.api(f"STREAM.DELETE.{Stream.ORDERS}", None, dict)
        await provision(bus)
        while not (message := await requests.get()).data:
            pass
        request = decode_as(message.data, SweepRequest)
        lost = await until_step(bus, is_resyncing)
        await answer(bus, request.request_id)
        done = await until_step(bus, lambda step: step.step > lost.step and step.state.resync is None)
    assert request.trades_since == TICKER.time - TRADE_OVERLAP_NS
    assert lost.offsets[Stream.ORDERS].created != before.offsets[Stream.ORDERS].created
    assert done.state.generation == before.state.generation
    alerts = [each.code for step in (lost, done) for each in step.notices if isinstance(each, AlertRaised)]
    assert alerts == ["resync_started", "resync_ended"]


async def test_a_purged_journal_is_continued_from_memory_with_a_new_generation(
    bus: Bus, run_actor: RunActor
) -> None:
    before = await place_first_orders(bus, run_actor)
    stored = await bus.last(Stream.JOURNAL, STEPS)
    assert stored is not None
    await purge(bus, Stream.JOURNAL)
    async with run_actor(remembered=stored.data):
        lost = resync_of(await until_step(bus, is_resyncing))
        assert lost is not None
        await answer(bus, lost.request_id)
        done = await until_step(bus, lambda step: step.state.generation == 2)
    assert lost.raises_generation
    assert done.state.slots.keys() == before.state.slots.keys()
    assert done.step == before.step + 2


async def test_a_journal_that_ends_before_the_step_in_the_last_intent_went_back(
    bus: Bus, run_actor: RunActor
) -> None:
    before = await place_first_orders(bus, run_actor)
    stored = await bus.last(Stream.JOURNAL, STEPS)
    assert stored is not None
    await _store_intent(bus, step_sequence=stored.sequence + 5)
    async with run_actor():
        lost = resync_of(await until_step(bus, is_resyncing))
    assert lost is not None
    assert lost.raises_generation
    assert f"names step {before.step}" in lost.reason


async def test_a_step_in_the_last_intent_with_another_hash_went_back(bus: Bus, run_actor: RunActor) -> None:
    await place_first_orders(bus, run_actor)
    stored = await bus.last(Stream.JOURNAL, STEPS)
    assert stored is not None
    await _store_intent(bus, step_sequence=stored.sequence, step_hash=record_hash(b"another step"))
    async with run_actor():
        lost = resync_of(await until_step(bus, is_resyncing))
    assert lost is not None
    assert "is another one now" in lost.reason


async def test_matching_records_need_no_resync(bus: Bus, run_actor: RunActor) -> None:
    before = await place_first_orders(bus, run_actor)
    stored = await bus.last(Stream.JOURNAL, STEPS)
    assert stored is not None
    await _store_intent(bus, step_sequence=stored.sequence, step_hash=record_hash(stored.data))
    async with run_actor():
        claim = await until_step(bus, lambda step: step.epoch == 2)
        await bus.store(subjects.ticker(SIM, BTC), msgspec.structs.replace(TICKER, last=TICKER.last * 2))
        moved = await until_step(bus, lambda step: step.step > before.step)
    assert claim.state.resync is None
    assert moved.state.resync is None


async def test_an_intent_that_names_the_claim_itself_is_no_loss(bus: Bus) -> None:
    journal = await Journal.open(bus, Stream.JOURNAL, STEPS)
    await journal.commit(STEP)
    claimed = await claim_journal(bus, STEPS, Step, inputs=INPUTS, outputs=OUTPUTS, log=get_logger("test"))
    await store_genesis(bus)
    named = claimed.journal
    await _store_intent(bus, step_sequence=named.sequence, step_hash=record_hash(named.record))
    assert await find_loss(bus, ENTRY, claimed, may_start_empty=False) is None


async def test_lost_intents_need_a_resync_without_a_new_generation(bus: Bus, run_actor: RunActor) -> None:
    await place_first_orders(bus, run_actor)
    await purge(bus, Stream.ORDERS)
    async with run_actor(with_gateway=False):
        lost = resync_of(await until_step(bus, is_resyncing))
    assert lost is not None
    assert not lost.raises_generation
    assert "intents are gone" in lost.reason


async def test_a_restored_bus_gets_a_new_generation_once(bus: Bus, run_actor: RunActor) -> None:
    await place_first_orders(bus, run_actor)
    restored = msgspec.structs.replace(ENTRY, restore_id="restore-1")
    async with run_actor(restored):
        lost = resync_of(await until_step(bus, is_resyncing))
        assert lost is not None
        await answer(bus, lost.request_id)
        done = await until_step(bus, lambda step: step.state.generation == 2)
    assert done.state.restore_id == "restore-1"
    async with run_actor(restored):
        claim = await until_step(bus, lambda step: step.epoch == 3)
    assert claim.state.resync is None


async def test_a_restored_symbol_keeps_its_slots_under_a_higher_generation(
    bus: Bus, run_actor: RunActor
) -> None:
    before = await place_first_orders(bus, run_actor)
    restored = msgspec.structs.replace(ENTRY, restore_id="restore-1", generation=3)
    async with run_actor(restored):
        lost = await until_step(bus, is_resyncing)
    # It crashed before the venue answered.
    async with run_actor(restored):
        claim = await until_step(bus, lambda step: step.epoch == 3)
        assert claim.state.slots.keys() == before.state.slots.keys()
        assert claim.state.resync is not None
        await answer(bus, claim.state.resync.request_id)
        done = await until_step(bus, lambda step: step.state.resync is None and step.epoch == 3)
    assert (lost.state.generation, done.state.generation) == (1, 4)
    assert not is_added_again(done.state, restored)


async def test_new_order_ids_have_the_new_generation(bus: Bus, run_actor: RunActor) -> None:
    await place_first_orders(bus, run_actor)
    async with run_actor(msgspec.structs.replace(ENTRY, restore_id="restore-1")):
        lost = await until_step(bus, is_resyncing)
        cause = resync_of(lost)
        assert cause is not None
        await answer(bus, cause.request_id)
        await until_step(bus, lambda step: step.state.generation == 2)
        moved = msgspec.structs.replace(
            TICKER, last=TICKER.last * 2, ask=TICKER.ask * 2, time=TICKER.time + 1
        )
        await bus.store(subjects.ticker(SIM, BTC), moved)
        placing = await until_step(bus, lambda step: step.step > lost.step and has_orders(step))
    ids = [each.client_order_id for each in placing.decisions if isinstance(each, PlaceOrder)]
    assert {parts.generation for each in ids if (parts := parse_order_id(each))} == {2}


async def _store_intent(bus: Bus, *, step_sequence: int, step_hash: str = "") -> None:
    last = await bus.last(Stream.ORDERS, INTENTS)
    assert last is not None
    steps = await bus.last(Stream.JOURNAL, STEPS)
    assert steps is not None
    intent = OrderIntent(
        venue=SIM,
        symbol=BTC,
        epoch=1,
        step=decode_as(steps.data, Step).step,
        step_sequence=step_sequence,
        decisions=(),
        step_hash=step_hash,
    )
    await bus.store(INTENTS, intent, expect_last=last.sequence)


async def test_an_intent_of_another_writer_is_noticed(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await place_with_linked_intents(bus)
        last = await bus.last(Stream.ORDERS, INTENTS)
        assert last is not None
        foreign = msgspec.structs.replace(decode_as(last.data, OrderIntent), previous_hash=record_hash(b"x"))
        sequence = await bus.store(INTENTS, foreign, expect_last=last.sequence)
        lost = resync_of(await until_step(bus, is_resyncing))
        alert = await first_alert(bus, "chain_broken")
    assert lost is not None
    assert f"ORDERS {sequence} does not follow" in lost.reason
    assert not lost.raises_generation
    assert alert.severity is Severity.CRITICAL


async def test_an_intent_without_a_hash_behind_linked_ones_is_noticed(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await place_with_linked_intents(bus)
        last = await bus.last(Stream.ORDERS, INTENTS)
        assert last is not None
        foreign = msgspec.structs.replace(decode_as(last.data, OrderIntent), previous_hash="")
        await bus.store(INTENTS, foreign, expect_last=last.sequence)
        assert resync_of(await until_step(bus, is_resyncing)) is not None


async def test_linked_intents_are_no_alarm(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        intent = await place_with_linked_intents(bus)
        moved = msgspec.structs.replace(
            TICKER, last=TICKER.last * 2, ask=TICKER.ask * 2, time=TICKER.time + 1
        )
        await bus.store(subjects.ticker(SIM, BTC), moved)
        step = await until_step(
            bus, lambda step: step.intent is not None and step.intent.sequence == intent.sequence
        )
    assert step.state.resync is None


async def place_with_linked_intents(bus: Bus) -> Journal:
    """Place the first orders, and commit two intents as a gateway does."""
    await bus.store(subjects.ticker(SIM, BTC), TICKER)
    await until_step(bus, has_orders)
    journal = await Journal.open(bus, Stream.ORDERS, INTENTS)
    for _ in range(2):
        await journal.commit(
            OrderIntent(venue=SIM, symbol=BTC, epoch=1, step=0, step_sequence=0, decisions=())
        )
    return journal


async def first_alert(bus: Bus, code: str) -> AlertRaised:
    """Return the first alert with this code, waiting for it."""
    subject = subjects.alert(SIM, BTC)
    async with aclosing(read(bus, Stream.ALERTS, (subject,), FromStart())) as batches:
        async for batch in batches:
            for message in batch.messages:
                alert = decode_as(message.data, AlertRaised)
                if alert.code == code:
                    return alert
    raise AssertionError("a stream is read for ever")
