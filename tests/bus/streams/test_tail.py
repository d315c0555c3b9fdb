"""New messages: order and completeness when republished messages are lost, dropped or doubtful."""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from bus import Batch, Bus, FromStart, NewOnly, connect, read
from bus.streams import tail
from tests.bus.events import event, lose_republished, numbers, store_many, until_number
from tests.conftest import NewServer

A = "order.sim.A.report"
B = "order.sim.B.report"
RNG = random.Random(1)


@pytest.fixture
def _clustered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have readers expect lost messages, as in a cluster."""
    monkeypatch.setattr("bus.streams.history.is_on_one_server", lambda *_: False)


async def following(bus: Bus, *filters: str) -> AsyncGenerator[Batch, None]:
    """Return the batches of a reader that has caught up with the end."""
    batches = read(bus, "ORDERS", filters, NewOnly())
    assert await anext(batches) == Batch([], caught_up=True)
    return batches


async def test_a_lost_message_is_read_when_the_next_one_arrives(bus: Bus) -> None:
    await bus.store(A, event(0))
    async with aclosing(await following(bus, A)) as batches:
        restore = lose_republished(bus, RNG, share=1)
        await bus.store(A, event(1))
        restore()
        await bus.store(A, event(2))
        assert numbers(await until_number(batches, 2)) == [1, 2]


async def test_a_lost_message_without_a_next_one_is_read_soon(bus: Bus) -> None:
    async with aclosing(await following(bus, A)) as batches:
        lose_republished(bus, RNG, share=1)
        await bus.store(A, event(1))
        batch = await anext(batches)
        assert (numbers(batch.messages), batch.caught_up) == ([1], True)


@pytest.mark.usefixtures("_clustered")
async def test_messages_of_two_subjects_stay_in_order_when_one_is_lost(bus: Bus) -> None:
    await bus.store(A, event(0))
    await bus.store(B, event(0))
    async with aclosing(await following(bus, A, B)) as batches:
        restore = lose_republished(bus, RNG, share=1)
        await bus.store(A, event(1))
        restore()
        await bus.store(B, event(2))
        assert numbers(await until_number(batches, 2)) == [1, 2]


@pytest.mark.usefixtures("_clustered")
async def test_other_subjects_in_between_are_not_delivered(bus: Bus) -> None:
    async with aclosing(await following(bus, "order.sim.*.report", "order.sim.A.trade")) as batches:
        for number, subject in enumerate(("order.sim.C.trade", A, "order.sim.B.intent", B)):
            await bus.store(subject, event(number))
        assert numbers(await until_number(batches, 3)) == [1, 3]


@pytest.mark.usefixtures("_clustered")
async def test_many_other_messages_in_between_are_skipped(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.streams.reader.MAX_SCANNED", 5)
    async with aclosing(await following(bus, A, B)) as batches:
        await store_many(bus, "order.sim.C.trade", 20)
        await bus.store(A, event(99))
        assert numbers(await until_number(batches, 99)) == [99]


async def test_a_slow_reader_keeps_few_messages(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MAX_WAITING", 10)
    async with aclosing(await following(bus, A)) as batches:
        await store_many(bus, A, 200)
        found = await until_number(batches, 199)

    assert numbers(found) == list(range(200))


async def test_large_messages_are_limited_by_their_size(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MAX_WAITING_BYTES", 500)
    async with aclosing(await following(bus, A)) as batches:
        await store_many(bus, A, 50)
        assert numbers(await until_number(batches, 49)) == list(range(50))


async def test_a_subject_that_was_purged_is_read_on(bus: Bus) -> None:
    await bus.store(A, event(0))
    async with aclosing(await following(bus, "order.>")) as batches:
        await bus.store(A, event(1))
        assert numbers(await until_number(batches, 1)) == [1]
        await bus.api("STREAM.PURGE.ORDERS", {"filter": A}, dict)
        await bus.store(A, event(2))
        assert numbers(await until_number(batches, 2)) == [2]


async def test_messages_that_were_published_by_hand_are_ignored(bus: Bus) -> None:
    async with aclosing(await following(bus, A)) as batches:
        await bus.publish(f"live.{A}", b"{}")
        await bus.publish(f"live.{A}", b"{}", {"Nats-Stream": "OTHER", "Nats-Sequence": "9"})
        await bus.store(A, event(1))
        assert numbers((await anext(batches)).messages) == [1]


async def test_new_messages_are_read_while_the_bus_is_not_republishing(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        old = {"name": "OLD", "subjects": ["old.>"], "storage": "memory", "allow_direct": True}
        await bus.api("STREAM.CREATE.OLD", old, dict)
        async with aclosing(read(bus, "OLD", ["old.>"], FromStart())) as batches:
            await anext(batches)
            await bus.store("old.a", event(1))
            assert numbers(await until_number(batches, 1)) == [1]
