"""The gateway's intents, as far as the engine uses them: each step names the newest one known, and their hashes are checked.

Intents are conflated while the engine is busy, so one that does not follow the last one seen is checked with those between.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import msgspec

from bus import Bus, BusError, FromSequence, LatestValues, Logger, OffsetLost, Received, read
from bus.alerts import store_alert
from bus.marks import reached
from bus.runtime import time_ns
from engine.actor.lost_records import required_by_offset
from schemas import subjects
from schemas.codec import INVALID_JSON
from schemas.engine.events import AlertRaised, Severity
from schemas.engine.journal import ResyncRequired, SymbolEntry
from schemas.formats import record_hash
from schemas.subjects import Stream
from schemas.venue.orders import RecordRef

CHAIN_BROKEN = "chain_broken"


class _Link(msgspec.Struct, frozen=True):
    """The field of an intent that is checked."""

    previous_hash: str = ""


class GatewayIntents:
    """Follows the intents of one symbol, and requires a resynchronization when their hash chain is broken."""

    def __init__(
        self, bus: Bus, entry: SymbolEntry, epoch: int, put: Callable[[ResyncRequired], None], log: Logger
    ) -> None:
        self._bus = bus
        self._entry = entry
        self._subject = subjects.order_intent(entry.venue, entry.symbol)
        self._epoch = epoch
        self._put = put
        self._log = log
        self._has_any = asyncio.Event()
        self.newest: RecordRef | None = None
        """The newest intent seen; None before the first."""

    async def run(self) -> None:
        """Follow the intents, for ever."""
        async with LatestValues(self._bus, Stream.ORDERS, (self._subject,)) as latest:
            async for message in latest:
                previous = self.newest
                self.newest = RecordRef(sequence=message.sequence, hash=record_hash(message.data))
                self._has_any.set()
                if previous is not None and _previous_hash(message) != previous.hash:
                    await self._check(previous, message)

    async def wait_for_first(self) -> None:
        """Wait until the gateway serves the symbol: it commits a first intent when it takes up a symbol."""
        await self._has_any.wait()

    async def _check(self, previous: RecordRef, message: Received) -> None:
        """Check the links between two intents, if the earlier one is still stored: the loss of that is noticed otherwise."""
        try:
            broken = await self._broken_link(previous, message)
            if broken is not None:
                await self._report(broken)
        except OffsetLost:
            pass
        except BusError as error:
            self._log.warning("intents_not_checked", detail=str(error))

    async def _broken_link(self, previous: RecordRef, message: Received) -> Received | None:
        """Return the first intent that does not carry the hash of the one before it."""
        if message.sequence <= previous.sequence:
            return None  # of a stream that was recreated
        before: Received | None = None
        start = FromSequence(previous.sequence)
        async with aclosing(read(self._bus, Stream.ORDERS, (self._subject,), start)) as batches:
            async for batch in batches:
                for each in batch.messages:
                    if before is None and record_hash(each.data) != previous.hash:
                        return None
                    if before is not None and _is_broken(before, each):
                        return each
                    before = each
                    if each.sequence >= message.sequence:
                        return None
                if batch.caught_up:
                    return None
        return None

    async def _report(self, broken: Received) -> None:
        entry, now = self._entry, time_ns()
        detail = (
            f"the intent at {Stream.ORDERS} {broken.sequence} does not follow the one before it: another program wrote it, "
            "or records were changed; orders and trades are read from the venue before anything is placed"
        )
        reached("intent_chain_broken")
        self._log.error(CHAIN_BROKEN, sequence=broken.sequence)
        self._put(required_by_offset(detail, entry.generation, self._epoch))
        alert = AlertRaised(
            venue=entry.venue,
            symbol=entry.symbol,
            severity=Severity.CRITICAL,
            code=CHAIN_BROKEN,
            detail=detail,
            step=0,
            time=now,
            incident=f"{CHAIN_BROKEN}.{self._subject}.{broken.sequence}",
        )
        await store_alert(self._bus, alert)


def _is_broken(before: Received, intent: Received) -> bool:
    link = _previous_hash(intent)
    # Intents of version 1 carry no hash. None of them follows one of a later version.
    is_unlinked = not link and not _previous_hash(before)
    return not is_unlinked and link != record_hash(before.data)


def _previous_hash(message: Received) -> str:
    try:
        return msgspec.json.decode(message.data, type=_Link).previous_hash
    except INVALID_JSON:
        return ""
