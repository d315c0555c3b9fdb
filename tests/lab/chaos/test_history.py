"""The history of a run, as read from the bus."""

import msgspec

from bus import Bus, Journal
from lab.chaos.history import HistoryRecorder
from schemas import subjects
from schemas.subjects import Stream
from tests.builders import BTC, ENTRY, SIM, STEP

SUBJECT = subjects.step(SIM, BTC)


async def test_records_linked_by_hash_hold(bus: Bus) -> None:
    journal = await Journal.open(bus, Stream.JOURNAL, SUBJECT)
    recorder = HistoryRecorder(ENTRY)
    for _ in range(3):
        await journal.commit(STEP)
        await recorder.record(bus)
    assert recorder.history.unlinked == []


async def test_a_record_that_does_not_follow_the_one_before_it_is_found(bus: Bus) -> None:
    journal = await Journal.open(bus, Stream.JOURNAL, SUBJECT)
    await journal.commit(STEP)
    forked = msgspec.structs.replace(STEP, previous_hash="of another record")
    sequence = await bus.store(SUBJECT, forked)
    recorder = HistoryRecorder(ENTRY)
    await recorder.record(bus)
    assert recorder.history.unlinked == [f"{SUBJECT} at {sequence} does not follow the record before it"]


async def test_the_first_record_kept_is_an_anchor(bus: Bus) -> None:
    await bus.store(SUBJECT, msgspec.structs.replace(STEP, previous_hash="of a record that was discarded"))
    recorder = HistoryRecorder(ENTRY)
    await recorder.record(bus)
    assert recorder.history.unlinked == []
