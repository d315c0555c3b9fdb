"""Instruments of one venue: published at the start, periodically, and after a rejection that a changed rule may explain."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Never

import msgspec

from bus import LIVE_PREFIX, Bus, BusError, Conflict, Entry, Logger, Registry, decode_or_log
from producers.ports import MarketSource
from producers.retry import retry
from schemas import subjects
from schemas.codec import encode, try_decode
from schemas.units import Symbol, VenueId
from schemas.venue.instruments import Instrument, InstrumentStatus
from schemas.venue.orders import OrderReport, RejectReason

RULE_REJECTIONS = frozenset(
    {
        RejectReason.PRECISION,
        RejectReason.MINIMUM_NOTIONAL,
        RejectReason.ABOVE_MAXIMUM,
        RejectReason.PRICE_BAND,
        RejectReason.POSITION_LIMIT,
        RejectReason.NOT_TRADING,
        RejectReason.UNKNOWN_SYMBOL,
    }
)
"""Rejections after which the instruments are read again."""
MIN_INTERVAL_S = 10.0
"""Time between two reads, however many orders are rejected."""
MAX_HALTED_INTERVAL_S = 30.0
"""Time between two reads while a symbol in use is halted: its end is not announced by a rejection."""


class InstrumentPublisher:
    """Keeps the bucket `instruments` equal to what the venue lists."""

    def __init__(self, bus: Bus, source: MarketSource, venue: VenueId, log: Logger) -> None:
        self._bus = bus
        self._source = source
        self._venue = venue
        self._log = log
        self._requested = asyncio.Event()
        self._in_use: set[Symbol] = set()
        self._has_halted = False

    def use(self, symbols: Iterable[Symbol]) -> None:
        """Read the instruments more often while one of these symbols is halted."""
        self._in_use.update(symbols)

    async def publish(self) -> dict[Symbol, Instrument]:
        """Read the venue's instruments, store the changed ones and return all; those no longer listed become DELISTED.

        Raises: BusError.
        """
        listed = {each.symbol: each for each in await retry(self._source.instruments, self._log)}
        in_use = (each for symbol, each in listed.items() if symbol in self._in_use)
        self._has_halted = any(each.status is InstrumentStatus.HALTED for each in in_use)
        registry = Registry(self._bus, "instruments")
        stored = await registry.entries()
        for symbol in sorted(listed):
            key = subjects.registry_key(self._venue, symbol)
            await self._put(registry, key, listed[symbol], stored.get(key))
        if listed:  # a venue that lists nothing is in trouble, and has not delisted everything
            for key, entry in stored.items():
                await self._mark_delisted(registry, key, entry, listed)
        return listed

    async def run(self, interval_s: float) -> Never:
        """Publish every `interval_s` seconds, and soon after an order was rejected for a trading rule; for ever."""
        unsubscribe = await self._bus.subscribe(
            f"{LIVE_PREFIX}{subjects.order_reports(self._venue)}",
            lambda message: self._on_report(message.data),
        )
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    limit_s = MAX_HALTED_INTERVAL_S if self._has_halted else interval_s
                    async with asyncio.timeout(min(interval_s, limit_s)):
                        await self._requested.wait()
                self._requested.clear()
                try:
                    await self.publish()
                except BusError as error:
                    self._log.warning("instruments_not_published", detail=str(error))
                await asyncio.sleep(min(MIN_INTERVAL_S, interval_s))
        finally:
            await unsubscribe()

    def _on_report(self, data: bytes) -> None:
        report = try_decode(data, OrderReport)
        if report is not None and report.reject_reason in RULE_REJECTIONS:
            self._requested.set()

    async def _mark_delisted(
        self, registry: Registry, key: str, entry: Entry, listed: dict[Symbol, Instrument]
    ) -> None:
        known = decode_or_log(entry, Instrument, self._log)
        if known is None or known.venue != self._venue or known.symbol in listed:
            return
        delisted = msgspec.structs.replace(known, status=InstrumentStatus.DELISTED)
        await self._put(registry, key, delisted, entry)

    async def _put(self, registry: Registry, key: str, instrument: Instrument, stored: Entry | None) -> None:
        while stored is None or stored.data != encode(instrument):
            with contextlib.suppress(Conflict):  # another process wrote it meanwhile
                if stored is not None:
                    await registry.update(key, instrument, stored.revision)
                    self._log.info("instrument_changed", symbol=instrument.symbol, status=instrument.status)
                    return
                if await registry.create(key, instrument) is not None:
                    return
            stored = await registry.get(key)
