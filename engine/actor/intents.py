"""The gateway's intents, as far as the engine uses them: each step names the newest one known."""

import asyncio

from bus import Bus, LatestValues
from schemas import subjects
from schemas.engine.journal import SymbolEntry
from schemas.formats import record_hash
from schemas.subjects import Stream
from schemas.venue.orders import RecordRef


class GatewayIntents:
    """Follows the intents of one symbol."""

    def __init__(self, bus: Bus, entry: SymbolEntry) -> None:
        self._bus = bus
        self._subject = subjects.order_intent(entry.venue, entry.symbol)
        self._has_any = asyncio.Event()
        self.newest: RecordRef | None = None
        """The newest intent seen; None before the first."""

    async def run(self) -> None:
        """Follow the intents, for ever."""
        async with LatestValues(self._bus, Stream.ORDERS, (self._subject,)) as latest:
            async for message in latest:
                self.newest = RecordRef(sequence=message.sequence, hash=record_hash(message.data))
                self._has_any.set()

    async def wait_for_first(self) -> None:
        """Wait until the gateway serves the symbol: it commits a first intent when it takes up a symbol."""
        await self._has_any.wait()
