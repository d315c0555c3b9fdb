"""State of the account before a symbol's first order: private stream, balance, position."""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from bus import Bus, decode_or_log, get_logger
from schemas import subjects
from schemas.subjects import Stream
from schemas.units import MILLISECOND_NS
from schemas.venue.account import Balance, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import FeedChanged, FeedState

POLL_INTERVAL_S = 0.1
"""How often state that is not published yet is read again."""

AccountState = FeedChanged | Balance | Position
_log = get_logger("engine")


class Account(Protocol):
    """The account's state, for a symbol that waits to start."""

    async def newest(self) -> Sequence[AccountState]:
        """Return the known state, to be applied before a tick."""


class LiveAccount:
    """The state published so far, without waiting; read at most once every `POLL_INTERVAL_S`."""

    def __init__(self, bus: Bus, instrument: Instrument) -> None:
        self._bus = bus
        self._instrument = instrument
        self._read_clock = 0

    async def newest(self) -> Sequence[AccountState]:
        now = time.monotonic_ns()
        if now - self._read_clock < POLL_INTERVAL_S * 1000 * MILLISECOND_NS:
            return ()
        self._read_clock = now
        return await _published(self._bus, self._instrument)


class SettledAccount:
    """The complete state, awaited and read once, so that a run does not depend on which process starts first."""

    def __init__(self, bus: Bus, instrument: Instrument) -> None:
        self._bus = bus
        self._instrument = instrument
        self._found: Sequence[AccountState] = ()

    async def newest(self) -> Sequence[AccountState]:
        while not self._found:
            found = await _published(self._bus, self._instrument)
            if len(found) == len(_sources(self._instrument)) and _is_up(found):
                # Times of publication differ between machines, and would make runs of one market differ.
                self._found = [msgspec.structs.replace(each, time=0) for each in found]
            else:
                await asyncio.sleep(POLL_INTERVAL_S)
        return self._found


def _sources(instrument: Instrument) -> tuple[tuple[str, type[AccountState]], ...]:
    venue = instrument.venue
    return (
        (subjects.account_feed(venue), FeedChanged),
        (subjects.balance(venue, instrument.settle), Balance),
        (subjects.position(venue, instrument.symbol), Position),
    )


async def _published(bus: Bus, instrument: Instrument) -> list[AccountState]:
    sources = _sources(instrument)
    stored = await asyncio.gather(*(bus.last(Stream.ACCOUNT, subject) for subject, _ in sources))
    found = []
    for (_, kind), message in zip(sources, stored, strict=True):
        state = None if message is None else decode_or_log(message, kind, _log)
        if state is not None:
            found.append(state)
    return found


def _is_up(found: Sequence[AccountState]) -> bool:
    return any(isinstance(each, FeedChanged) and each.state is FeedState.UP for each in found)
