"""What the last hard check is fed with: the venue's positions, the portfolio's limits, and what is configured."""

import asyncio

from bus import Bus, LatestValues, Logger, Registry, forever
from producers.gateway.exposure import Exposure
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import Step
from schemas.engine.portfolio import PortfolioEntry, PortfolioLimits
from schemas.subjects import Stream
from schemas.units import VenueId
from schemas.venue.account import Position


class ExposureFeed:
    """Keeps what is known of one venue's exposure the newest."""

    def __init__(self, exposure: Exposure, bus: Bus, venue: VenueId, log: Logger) -> None:
        self._exposure = exposure
        self._bus = bus
        self._venue = venue
        self._log = log
        self._is_limited = asyncio.Event()

    async def run(self) -> None:
        """Follow, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("settings", self._follow_settings()), name="settings")
            tasks.create_task(forever("limits", self._follow_limits()), name="limits")
            tasks.create_task(forever("positions", self._follow_positions()), name="positions")
            tasks.create_task(forever("others", self._follow_others()), name="others")

    async def _follow_settings(self) -> None:
        async for key, stored in Registry(self._bus, "portfolios").follow():
            if key != self._venue:
                continue
            try:
                entry = decode_as(stored.data, PortfolioEntry) if stored is not None else None
            except UndecodableError as error:
                self._log.error("undecodable", subject=key, detail=str(error))
            else:
                self._exposure.settings = entry.settings if entry is not None else None

    async def _follow_limits(self) -> None:
        async with LatestValues(self._bus, Stream.JOURNAL, (subjects.limits(self._venue),)) as levels:
            async for message in levels:
                try:
                    limits = self._exposure.limits = decode_as(message.data, PortfolioLimits)
                    if limits.max_exposure:
                        self._is_limited.set()
                except UndecodableError as error:
                    self._log.error("undecodable", subject=message.subject, detail=str(error))

    async def _follow_positions(self) -> None:
        async with LatestValues(self._bus, Stream.ACCOUNT, (subjects.positions(self._venue),)) as levels:
            async for message in levels:
                try:
                    position = decode_as(message.data, Position)
                except UndecodableError as error:
                    self._log.error("undecodable", subject=message.subject, detail=str(error))
                else:
                    self._exposure.positions[position.symbol] = position

    async def _follow_others(self) -> None:
        # Other gateways may serve the other symbols: what is decided there counts here.
        await self._is_limited.wait()
        async with LatestValues(self._bus, Stream.JOURNAL, (subjects.steps(self._venue),)) as levels:
            async for message in levels:
                symbol = subjects.parse(message.subject).symbol
                if symbol is None or symbol == subjects.ALL or self._exposure.is_served(symbol):
                    continue
                try:
                    self._exposure.see(decode_as(message.data, Step).state)
                except UndecodableError as error:
                    self._log.error("undecodable", subject=message.subject, detail=str(error))
