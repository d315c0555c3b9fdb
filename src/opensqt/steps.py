"""Following the journal: what was done so far, and digests by which two runs can be compared."""

import hashlib
from contextlib import aclosing

import msgspec

from bus import Bus, Everything, FromSequence, Received, read
from schemas import subjects
from schemas.codec import encode
from schemas.engine import Fill
from schemas.grid import GridState
from schemas.journal import SymbolEntry
from schemas.subjects import Stream
from schemas.units import TimeNs


class _RawStep(msgspec.Struct, frozen=True):
    """A step of which only what is needed is decoded: steps come by the thousand a second."""

    step: int
    causes: msgspec.Raw
    state: msgspec.Raw
    decisions: msgspec.Raw
    fills: tuple[Fill, ...]
    notices: msgspec.Raw
    time: TimeNs


_raw_steps = msgspec.json.Decoder(_RawStep)
_states = msgspec.json.Decoder(GridState)


class StepsSoFar:
    """The fold over one symbol's steps.

    The digest of the steps is over everything in them but the epoch, the offsets and `published_through`; a claim
    repeats its step and is left out. The digest of the fills leaves out the step's number as well: a run in which parts
    died may have had to look again at what is open, in a step more, and books the same money all the same.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.fills = 0
        self.sequence = 0
        """Of the last message, in JOURNAL."""
        self.time: TimeNs = 0
        self.first_missing: int | None = None
        """The first step that had been discarded when it was asked for: the digests are not of the whole run then."""
        self._steps = hashlib.sha256()
        self._fills = hashlib.sha256()
        self._state: bytes | None = None

    def add(self, received: Received) -> None:
        """Take the next message of the journal."""
        step = _raw_steps.decode(received.data)
        self.sequence = received.sequence
        if step.step <= self.steps:
            return
        if step.step != self.steps + 1 and self.first_missing is None:
            self.first_missing = self.steps + 1
        self.steps, self.time = step.step, step.time
        self.fills += len(step.fills)
        self._state = bytes(step.state)
        for part in (step.causes, step.state, step.decisions, step.notices):
            self._steps.update(bytes(part))
            self._steps.update(b"\n")
        for fill in step.fills:
            self._steps.update(encode(fill))
            self._fills.update(encode(msgspec.structs.replace(fill, step=0)))

    @property
    def state(self) -> GridState | None:
        """The state that the last step left, None before the first."""
        return None if self._state is None else _states.decode(self._state)

    @property
    def steps_digest(self) -> str:
        return self._steps.hexdigest()

    @property
    def fills_digest(self) -> str:
        return self._fills.hexdigest()


async def follow(bus: Bus, entry: SymbolEntry, so_far: StepsSoFar, until: int | None = None) -> None:
    """Take every step of a symbol as it is committed: for ever, or up to a sequence of JOURNAL."""
    if until is not None and so_far.sequence >= until:
        return
    filters = [subjects.step(entry.venue, entry.symbol)]
    start = FromSequence(so_far.sequence + 1) if so_far.sequence else Everything()
    async with aclosing(read(bus, Stream.JOURNAL, filters, start)) as batches:
        async for batch in batches:
            for received in batch.messages:
                so_far.add(received)
            if until is not None and so_far.sequence >= until:
                return


async def last_step(bus: Bus, entry: SymbolEntry) -> int:
    """Return the JOURNAL sequence of a symbol's last step, 0 when there is none."""
    last = await bus.last(Stream.JOURNAL, subjects.step(entry.venue, entry.symbol))
    return 0 if last is None else last.sequence
