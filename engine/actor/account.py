"""What an actor tells its grid of the account before the first order: the private stream, the balance, the position."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from bus import Bus, get_logger
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.subjects import Stream
from schemas.units import MILLISECOND_NS
from schemas.venue.account import Balance, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import FeedChanged, FeedState

EVERY_S = 0.1
"""How often levels that are not there yet are looked for."""

AccountLevel = FeedChanged | Balance | Position
_log = get_logger("engine")

AccountOf = Callable[[Bus, Instrument], "Account"]


class Account(Protocol):
    """The account's levels, for a symbol that waits to start."""

    async def levels(self) -> Sequence[AccountLevel]:
        """Return what is known, to be heard before a tick."""


class LiveAccount:
    """What is there by now, looked up again at most every `EVERY_S`: nobody waits for it."""

    def __init__(self, bus: Bus, instrument: Instrument) -> None:
        self._bus = bus
        self._instrument = instrument
        self._looked_ns = 0

    async def levels(self) -> Sequence[AccountLevel]:
        now = time.monotonic_ns()
        if now - self._looked_ns < EVERY_S * 1000 * MILLISECOND_NS:
            return ()
        self._looked_ns = now
        return await _newest(self._bus, self._instrument)


class SettledAccount:
    """All of it, waited for and read once, so that a run does not depend on who was first to start."""

    def __init__(self, bus: Bus, instrument: Instrument) -> None:
        self._bus = bus
        self._instrument = instrument
        self._found: Sequence[AccountLevel] = ()

    async def levels(self) -> Sequence[AccountLevel]:
        while not self._found:
            found = await _newest(self._bus, self._instrument)
            if len(found) == len(_places(self._instrument)) and _is_up(found):
                # When it was said is the machine's affair, and would make another run of the same market.
                self._found = [msgspec.structs.replace(each, time=0) for each in found]
            else:
                await asyncio.sleep(EVERY_S)
        return self._found


def _places(instrument: Instrument) -> tuple[tuple[str, type[AccountLevel]], ...]:
    venue = instrument.venue
    return (
        (subjects.account_feed(venue), FeedChanged),
        (subjects.balance(venue, instrument.settle), Balance),
        (subjects.position(venue, instrument.symbol), Position),
    )


async def _newest(bus: Bus, instrument: Instrument) -> list[AccountLevel]:
    places = _places(instrument)
    stored = await asyncio.gather(*(bus.last(Stream.ACCOUNT, subject) for subject, _ in places))
    found = []
    for (subject, kind), message in zip(places, stored, strict=True):
        try:
            if message is not None:
                found.append(decode_as(message.data, kind))
        except UndecodableError as error:
            _log.error("undecodable", subject=subject, detail=str(error))
    return found


def _is_up(found: Sequence[AccountLevel]) -> bool:
    return any(isinstance(each, FeedChanged) and each.state is FeedState.UP for each in found)
