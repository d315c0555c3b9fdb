"""The last message of each subject, also of very many subjects."""

from contextlib import aclosing

import pytest

from bus import Bus, LastPerSubject, last_per_subject, pending, read
from bus.streams import snapshot
from tests.bus.events import event, numbers, store_each, store_many, until_number

ALL = ("market.>",)


async def test_the_last_messages_come_in_stream_order(bus: Bus) -> None:
    await store_each(bus, 4)
    await bus.store("market.sim.S1.ticker", event(9))

    assert numbers(await last_per_subject(bus, "MARKET", ALL)) == [0, 2, 3, 9]


async def test_more_subjects_than_the_server_answers_for_are_read(bus: Bus) -> None:
    await store_each(bus, 1030)
    await bus.store("market.sim.S5.ticker", event(2000))

    found = numbers(await last_per_subject(bus, "MARKET", ALL))
    assert found == [*(at for at in range(1030) if at != 5), 2000]
    assert await pending(bus, "MARKET", ALL, LastPerSubject()) == 1030


async def test_a_snapshot_of_many_pages_is_followed_by_what_changed_meanwhile(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MAX_PAGE_BYTES", 100)
    await store_each(bus, 6)
    async with aclosing(read(bus, "MARKET", ALL, LastPerSubject())) as batches:
        found = (await anext(batches)).messages
        await store_many(bus, "market.sim.S0.ticker", 2, first=10)
        await store_many(bus, "market.sim.S5.ticker", 1, first=20)
        found += await until_number(batches, 20)

    sequences = [message.sequence for message in found]
    assert sequences == sorted(set(sequences))
    assert numbers(found)[0] == 0
    assert {2, 3, 4, 11, 20} <= set(numbers(found))


async def test_subjects_without_messages_have_no_last_one(bus: Bus) -> None:
    assert await last_per_subject(bus, "MARKET", ["market.sim.A.ticker", "market.sim.B.*"]) == []
