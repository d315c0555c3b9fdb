"""Claim of a journal, and the steps to republish."""

from contextlib import aclosing

import msgspec
import pytest

from bus import Bus, Fenced, Journal, get_logger
from engine.actor.start import INPUTS, OUTPUTS
from engine.journaled_actor import ClaimedJournal, claim_journal, stored_steps
from schemas import subjects
from schemas.codec import decode_as, encode
from schemas.engine.journal import Step
from schemas.formats import record_hash
from schemas.subjects import Stream
from tests.builders import BTC, SIM, TICKER
from tests.schemas.examples import EXAMPLES

LOG = get_logger("test")
STEP = next(event for event in EXAMPLES if isinstance(event, Step))
SUBJECT = subjects.step(SIM, BTC)


async def claim(bus: Bus, remembered: bytes = b"") -> ClaimedJournal[Step]:
    return await claim_journal(
        bus, SUBJECT, Step, inputs=INPUTS, outputs=OUTPUTS, log=LOG, remembered=remembered
    )


async def test_an_empty_journal_starts_at_the_ends_of_the_inputs(bus: Bus) -> None:
    sequence = await bus.store(subjects.order_report(SIM, BTC), TICKER)
    claimed = await claim(bus)
    assert (claimed.last, claimed.epoch, claimed.published_through) == (None, 1, 0)
    assert {stream: offset.sequence for stream, offset in claimed.offsets.items()} == {
        Stream.ORDERS: sequence,
        Stream.CONTROL: 0,
    }
    assert await bus.last(Stream.JOURNAL, SUBJECT) is None


async def test_a_claim_repeats_the_state_without_outputs_under_the_next_epoch(bus: Bus) -> None:
    sequence = await bus.store(SUBJECT, STEP)
    claimed = await claim(bus)
    stored = await bus.last(Stream.JOURNAL, SUBJECT)
    assert stored is not None
    claim_step = decode_as(stored.data, Step)
    assert (claimed.last_sequence, claimed.epoch) == (sequence, STEP.epoch + 1)
    assert claim_step == msgspec.structs.replace(
        STEP,
        epoch=STEP.epoch + 1,
        causes=(),
        decisions=(),
        fills=(),
        notices=(),
        previous_hash=record_hash(encode(STEP)),
    )


async def test_a_purged_journal_is_continued_with_the_remembered_step(bus: Bus) -> None:
    remembered = msgspec.structs.replace(STEP, epoch=4, previous_hash="of a record that is gone")
    claimed = await claim(bus, remembered=encode(remembered))
    stored = await bus.last(Stream.JOURNAL, SUBJECT)
    assert stored is not None
    step = decode_as(stored.data, Step)
    assert (claimed.went_back, claimed.step, step.epoch, step.previous_hash) == (True, STEP.step, 5, "")
    assert claimed.published_through == claimed.last_sequence == stored.sequence


@pytest.mark.parametrize(
    ("stored", "went_back"),
    [
        (msgspec.structs.replace(STEP, epoch=4, step=STEP.step - 1), True),
        (msgspec.structs.replace(STEP, epoch=3, step=STEP.step + 9), True),
        (msgspec.structs.replace(STEP, epoch=4), False),
        (msgspec.structs.replace(STEP, epoch=5, step=1), False),
    ],
)
async def test_a_journal_that_ends_before_the_remembered_step_went_back(
    bus: Bus, stored: Step, went_back: bool
) -> None:
    await bus.store(SUBJECT, stored)
    claimed = await claim(bus, remembered=encode(msgspec.structs.replace(STEP, epoch=4)))
    assert claimed.went_back is went_back
    assert claimed.step == (STEP.step if went_back else stored.step)


async def test_a_claim_fences_the_earlier_writer(bus: Bus) -> None:
    await bus.store(SUBJECT, STEP)
    earlier = await Journal.open(bus, Stream.JOURNAL, SUBJECT)
    await claim(bus)
    with pytest.raises(Fenced):
        await earlier.commit(STEP)


async def test_stored_steps_lie_between_two_sequences_and_skip_undecodable_ones(bus: Bus) -> None:
    sequences = [await bus.store(SUBJECT, event) for event in (STEP, STEP, TICKER, STEP, STEP)]
    steps = stored_steps(bus, SUBJECT, Step, LOG, after=sequences[0], through=sequences[3])
    async with aclosing(steps):
        assert [sequence async for _, sequence in steps] == [sequences[1], sequences[3]]


async def test_without_newer_steps_nothing_is_read(bus: Bus) -> None:
    assert [each async for each in stored_steps(bus, "none", Step, LOG, after=7, through=7)] == []
