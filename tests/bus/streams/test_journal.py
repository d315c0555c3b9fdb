"""The journal: commits, fencing, failures."""

import asyncio
import hashlib
import itertools
from contextlib import aclosing

import msgspec
import pytest

from bus import (
    Ambiguous,
    Bus,
    Fenced,
    FromStart,
    Journal,
    NoSpace,
    StreamGone,
    connect,
    newest,
    provision,
    read,
)
from schemas.codec import FormatTooNew, decode_as
from schemas.engine.journal import Step
from schemas.formats import STATE_VERSION
from tests.builders import STEP as STEP_EVENT
from tests.bus.events import event, numbers, until_caught_up
from tests.conftest import NewServer
from tests.schemas.examples import EXAMPLES

STEP = "journal.sim.A.step"


async def test_a_new_journal_is_empty(bus: Bus) -> None:
    journal = await Journal.open(bus, "JOURNAL", STEP)

    assert (journal.last, journal.sequence) == (None, 0)


async def test_commits_are_consecutive_on_their_subject(bus: Bus) -> None:
    journal = await Journal.open(bus, "JOURNAL", STEP)
    first = await journal.commit(event(1))
    await bus.store("journal.sim.B.step", event(9))
    second = await journal.commit(event(2))

    reopened = await Journal.open(bus, "JOURNAL", STEP)

    assert (first, second, journal.sequence, reopened.sequence) == (1, 3, 3, 3)
    assert reopened.last is not None
    assert numbers([reopened.last]) == [2]


async def test_each_record_carries_the_hash_of_the_one_before_it(bus: Bus) -> None:
    journal = await Journal.open(bus, "JOURNAL", STEP)
    await journal.commit(STEP_EVENT)
    await bus.store("journal.sim.B.step", event(9))
    await journal.commit(STEP_EVENT)
    reopened = await Journal.open(bus, "JOURNAL", STEP)
    await reopened.commit(STEP_EVENT)

    async with aclosing(read(bus, "JOURNAL", (STEP,), FromStart())) as batches:
        records = [message.data for message in await until_caught_up(batches)]
    hashes = [decode_as(record, Step).previous_hash for record in records]
    assert hashes == ["", *(hashlib.sha256(record).hexdigest() for record in records[:-1])]


async def test_a_later_claim_fences_the_earlier_writer(bus: Bus) -> None:
    older = await Journal.open(bus, "JOURNAL", STEP)
    newer = await Journal.open(bus, "JOURNAL", STEP)
    await newer.commit(event(1))

    with pytest.raises(Fenced, match=STEP):
        await older.commit(event(2))
    await newer.commit(event(2))


async def test_one_of_two_concurrent_claims_is_fenced(bus: Bus) -> None:
    journals = [await Journal.open(bus, "JOURNAL", STEP) for _ in range(2)]

    outcomes = await asyncio.gather(*(j.commit(event(1)) for j in journals), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [int, Fenced]


async def test_a_journal_cannot_be_used_after_a_failed_commit(bus: Bus) -> None:
    journal = await Journal.open(bus, "JOURNAL", STEP)
    await bus.api("STREAM.DELETE.JOURNAL", None, dict)
    with pytest.raises(StreamGone):
        await journal.commit(event(1))

    with pytest.raises(AssertionError):
        await journal.commit(event(1))


async def test_a_journal_takes_one_commit_at_a_time(bus: Bus) -> None:
    journal = await Journal.open(bus, "JOURNAL", STEP)

    outcomes = await asyncio.gather(*(journal.commit(event(n)) for n in range(2)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [int, AssertionError]


async def test_a_full_store_rejects_a_commit(new_server: NewServer) -> None:
    server = await new_server(max_store_bytes=4096)
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        journal = await Journal.open(bus, "JOURNAL", STEP)
        with pytest.raises(NoSpace):
            await _commit_for_ever(journal)

    assert journal.sequence > 0


async def test_an_earlier_record_does_not_take_the_place_of_one_that_is_too_new(bus: Bus) -> None:
    step = next(each for each in EXAMPLES if isinstance(each, Step))
    journal = await Journal.open(bus, "JOURNAL", STEP)
    await journal.commit(step)
    await journal.commit(msgspec.structs.replace(step, minimum_reader=STATE_VERSION + 1))

    with pytest.raises(FormatTooNew):
        await newest(bus, "JOURNAL", STEP, Step, await bus.last("JOURNAL", STEP))


async def test_every_commit_is_stored_once_although_the_server_is_killed(new_server: NewServer) -> None:
    server = await new_server()
    count = 300
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        writing = asyncio.create_task(_commit_all(bus, count))
        for _ in range(3):
            await asyncio.wait([writing], timeout=0.1)
            server.kill()
            await server.wait()
            await server.start()
        ambiguous = await writing

        found = await until_caught_up(read(bus, "JOURNAL", [STEP], FromStart()))

    assert numbers(found) == list(range(count))
    assert ambiguous > 0


async def _commit_for_ever(journal: Journal) -> None:
    for number in itertools.count():
        await journal.commit(event(number))


async def _commit_all(bus: Bus, count: int) -> int:
    """Commit like an actor: after an ambiguous commit, reopen the journal and continue from its last record."""
    ambiguous = 0
    while True:
        try:
            journal = await Journal.open(bus, "JOURNAL", STEP)
            done = numbers([journal.last])[0] + 1 if journal.last else 0
            for number in range(done, count):
                await journal.commit(event(number))
        except Ambiguous:
            ambiguous += 1
            await bus.wait_connected()
        else:
            return ambiguous
