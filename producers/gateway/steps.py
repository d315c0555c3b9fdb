"""Steps as the gateway reads them: without the engine's state, and checked for an unbroken hash chain."""

from typing import Final

import msgspec

from bus import Logger, Received
from schemas.codec import FormatTooNew, UndecodableError, decode_as, decode_header
from schemas.engine.journal import MessageRef, RiskSummary, Step, StreamOffset
from schemas.formats import record_hash
from schemas.grid.state import GridState
from schemas.subjects import Stream
from schemas.units import Symbol, TimeNs, VenueId
from schemas.venue.orders import Decision, RecordRef


class StepHeader(msgspec.Struct, frozen=True, kw_only=True, tag="Step"):
    """The fields of a `Step` that the gateway uses; decoding it skips the state, which is most of a step."""

    venue: VenueId
    symbol: Symbol
    step: int
    offsets: dict[str, StreamOffset]
    decisions: tuple[Decision, ...]
    time: TimeNs
    state_version: int = 1
    minimum_reader: int = 1
    inputs: tuple[MessageRef, ...] = ()
    risk: RiskSummary | None = None
    intent: RecordRef | None = None
    previous_hash: str = ""
    trace: str = ""

    def included(self, created: str) -> int:
        """Return the sequence up to which the step includes the order events of the ORDERS stream created at `created`."""
        offset = self.offsets.get(Stream.ORDERS)
        return offset.sequence if offset is not None and offset.created == created else 0


_decoder: Final = msgspec.json.Decoder(StepHeader)


def decode_step(message: Received, log: Logger) -> StepHeader | None:
    """Return the header of a stored step; log `undecodable` and return None when it is invalid.

    Raises: FormatTooNew when it needs a newer program.
    """
    try:
        return decode_header(message.data, _decoder)
    except FormatTooNew:
        raise
    except UndecodableError as error:
        log.error("undecodable", subject=message.subject, sequence=message.sequence, detail=str(error))
        return None


def decode_state(message: Received, log: Logger) -> GridState | None:
    """Return the state in a stored step, for steps without a risk summary; log and return None when it is invalid."""
    try:
        return decode_as(message.data, Step).state
    except UndecodableError as error:
        log.error("undecodable", subject=message.subject, sequence=message.sequence, detail=str(error))
        return None


class StepChain:
    """Checks that each step of one symbol carries the hash of the record before it, undecodable ones included.

    A broken chain means that records were changed, lost or replaced: opening orders are blocked until the engine has
    resynchronized with the venue, which it states in its steps.
    """

    def __init__(self) -> None:
        self.is_broken = False
        """Whether opening orders are blocked."""
        self._is_resyncing = False
        self._previous: Received | None = None
        self._previous_hash = ""

    def restart(self, last: Received | None) -> None:
        """Continue after a record, or anywhere if it is None."""
        self._previous = last
        self._previous_hash = record_hash(last.data) if last is not None else ""

    def check(self, message: Received, step: StepHeader | None) -> Received | None:
        """Take the next record; `step` is None when it is undecodable.

        Return the record before it when the link between them is broken, else None.
        """
        previous, expected = self._previous, self._previous_hash
        self.restart(message)
        if step is None:
            return None
        # Records of version 1 have no hashes.
        is_link_broken = bool(expected) and step.state_version > 1 and step.previous_hash != expected
        if is_link_broken:
            self.is_broken, self._is_resyncing = True, False
        if step.risk is not None:
            if self._is_resyncing and not step.risk.is_resyncing:
                self.is_broken = False
            self._is_resyncing = step.risk.is_resyncing
        return previous if is_link_broken else None
