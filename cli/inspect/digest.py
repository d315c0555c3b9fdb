"""Digests of one symbol's journal, by which two runs are compared."""

import hashlib
import re
from contextlib import aclosing
from decimal import Decimal
from typing import assert_never

import msgspec

from bus import Bus, FromSequence, FromStart, Received, read
from schemas import subjects
from schemas.codec import encode
from schemas.engine.events import Fill, PositionCorrected
from schemas.engine.journal import Notice, SymbolEntry
from schemas.grid.state import GridState
from schemas.subjects import Stream
from schemas.units import TimeNs
from schemas.venue.fees import fee_in_quote
from schemas.venue.order_ids import parse_order_id
from schemas.venue.orders import CancelOrder, Decision, PlaceOrder, QueryOrder


class _RawStep(msgspec.Struct, frozen=True):
    """The fields of a step that the digest needs; the large ones are not decoded."""

    step: int
    causes: msgspec.Raw
    state: msgspec.Raw
    decisions: msgspec.Raw
    fills: tuple[Fill, ...]
    notices: msgspec.Raw
    time: TimeNs


_raw_steps = msgspec.json.Decoder(_RawStep)
_states = msgspec.json.Decoder(GridState)
_decisions = msgspec.json.Decoder(tuple[Decision, ...])
_notices = msgspec.json.Decoder(tuple[Notice, ...])
_NO_DECISIONS = b"[]"
_SOURCE = re.compile(rb',"source":(?:null|"[a-z]+")')
"""The field `source` of a report or trade in JSON, see `schemas.venue.orders.ReportSource`."""
_CORRECTION = PositionCorrected.__name__.encode()


class JournalDigest:
    """Accumulates one symbol's steps, the committed decisions of its engine, into three SHA-256 digests.

    `decisions_digest` and `fills_digest` cover the decisions and the fills, one JSON array per line, numbers in
    plain digits without trailing zeros. They contain no ids and no texts, so they stay comparable across versions:

        decisions  [time, "place", level, side, price, quantity, post_only, reduce_only]
                   [time, "cancel", level, side]       level and side from the order id; queries are skipped
        fills      [time, level, side, price, quantity, fee in quote]      or the fee with its asset: "0.0005 BNB"
                   [time, "correction", quantity, price, fee in quote]

    `steps_digest` covers causes, state, decisions, notices and fills of each step, so not epoch, offsets and
    `published_through`, nor the source of a report: which of gateway and private stream stores it first is a race. A claim,
    by which an engine takes over the symbol, repeats the number of the step before it and is skipped.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.fills = 0
        self.requests = 0
        """Orders placed and canceled; a query changes nothing at the venue and is not counted."""
        self.corrections: list[PositionCorrected] = []
        """Differences from the venue's position that were booked without a fill."""
        self.sequence = 0
        """JOURNAL sequence of the last message applied."""
        self.time: TimeNs = 0
        """Time of the last step."""
        self.first_missing: int | None = None
        """First step that had already been removed from the stream; the digests then do not cover the whole run."""
        self._steps = hashlib.sha256()
        self._decisions = hashlib.sha256()
        self._fills = hashlib.sha256()
        self._state: bytes | None = None

    def add(self, received: Received) -> None:
        """Apply the next message of the journal."""
        step = _raw_steps.decode(received.data)
        self.sequence = received.sequence
        if step.step <= self.steps:
            return
        if step.step != self.steps + 1 and self.first_missing is None:
            self.first_missing = self.steps + 1
        self.steps, self.time = step.step, step.time
        self.fills += len(step.fills)
        self._state = bytes(step.state)
        causes = _SOURCE.sub(b"", bytes(step.causes))
        for part in (causes, step.state, step.decisions, step.notices):
            self._steps.update(bytes(part))
            self._steps.update(b"\n")
        if bytes(step.decisions) != _NO_DECISIONS:
            for decision in _decisions.decode(step.decisions):
                if (row := decision_row(step.time, decision)) is not None:
                    self.requests += 1
                    self._decisions.update(_json_line(row))
        for fill in step.fills:
            self._steps.update(encode(fill))
            self._fills.update(_json_line(fill_row(fill)))
        for correction in _corrections(step):
            self.corrections.append(correction)
            self._fills.update(_json_line(correction_row(correction)))

    @property
    def state(self) -> GridState | None:
        """The state after the last step, None before the first."""
        return None if self._state is None else _states.decode(self._state)

    @property
    def requests_per_fill(self) -> float | None:
        """Orders placed and canceled for each fill, None without a fill."""
        return self.requests / self.fills if self.fills else None

    @property
    def steps_digest(self) -> str:
        return self._steps.hexdigest()

    @property
    def decisions_digest(self) -> str:
        return self._decisions.hexdigest()

    @property
    def fills_digest(self) -> str:
        return self._fills.hexdigest()


def decision_row(time: TimeNs, decision: Decision) -> tuple[object, ...] | None:
    """Return the row of a decision in `decisions_digest`, None for a query."""
    match decision:
        case PlaceOrder():
            return (
                time,
                "place",
                decision.level,
                decision.side.value,
                _plain(decision.price),
                _plain(decision.quantity),
                decision.post_only,
                decision.reduce_only,
            )
        case CancelOrder():
            order_id = parse_order_id(decision.client_order_id)
            if order_id is None:
                return (time, "cancel", None, None)
            return (time, "cancel", order_id.level, order_id.side.value)
        case QueryOrder():
            return None
        case _:
            assert_never(decision)


def fill_row(fill: Fill) -> tuple[object, ...]:
    """Return the row of a fill in `fills_digest`."""
    return (
        fill.time,
        fill.level,
        fill.side.value,
        _plain(fill.price),
        _plain(fill.quantity),
        _fee_text(fill),
    )


def _fee_text(fill: Fill) -> str:
    value = fee_in_quote(fill)
    return f"{_plain(fill.fee)} {fill.fee_asset}" if value is None else _plain(value)


def correction_row(correction: PositionCorrected) -> tuple[object, ...]:
    """Return the row of a correction of the position in `fills_digest`."""
    return (
        correction.time,
        "correction",
        _plain(correction.quantity),
        _plain(correction.price),
        _plain(correction.fee),
    )


def _corrections(step: _RawStep) -> list[PositionCorrected]:
    if _CORRECTION not in bytes(step.notices):
        return []
    return [each for each in _notices.decode(step.notices) if isinstance(each, PositionCorrected)]


def _plain(number: Decimal) -> str:
    return format(number.normalize() + 0, "f")


def _json_line(row: tuple[object, ...]) -> bytes:
    return msgspec.json.encode(row) + b"\n"


async def follow(bus: Bus, entry: SymbolEntry, digest: JournalDigest, until: int | None = None) -> None:
    """Apply each committed step of a symbol to the digest, for ever or until one with the JOURNAL sequence `until`.

    Steps that are read together with that one are applied too.
    """
    if until is not None and digest.sequence >= until:
        return
    filters = [subjects.step(entry.venue, entry.symbol)]
    start = FromSequence(digest.sequence + 1) if digest.sequence else FromStart()
    async with aclosing(read(bus, Stream.JOURNAL, filters, start)) as batches:
        async for batch in batches:
            for received in batch.messages:
                digest.add(received)
            if until is not None and digest.sequence >= until:
                return


async def last_step_sequence(bus: Bus, entry: SymbolEntry) -> int:
    """Return the JOURNAL sequence of a symbol's last step, 0 if there is none."""
    last = await bus.last(Stream.JOURNAL, subjects.step(entry.venue, entry.symbol))
    return 0 if last is None else last.sequence
