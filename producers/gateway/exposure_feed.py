"""Inputs of the exposure check: positions, limits, and steps of symbols of other gateways."""

import asyncio

from bus import Bus, LatestValues, Logger, Registry, decode_or_log, forever
from producers.gateway.exposure import Exposure
from schemas import subjects
from schemas.codec import FormatTooNew
from schemas.engine.journal import Step
from schemas.engine.portfolio import PortfolioEntry, PortfolioLimits
from schemas.subjects import Stream
from schemas.units import Symbol, VenueId
from schemas.venue.account import Position


class ExposureFeed:
    """Keeps the exposure of one venue up to date."""

    def __init__(self, exposure: Exposure, bus: Bus, venue: VenueId, log: Logger) -> None:
        self._exposure = exposure
        self._bus = bus
        self._venue = venue
        self._log = log
        self._is_limited = asyncio.Event()
        self._too_new: set[Symbol] = set()

    async def run(self) -> None:
        """Follow all inputs, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("settings", self._follow_settings()), name="settings")
            tasks.create_task(forever("limits", self._follow_limits()), name="limits")
            tasks.create_task(forever("positions", self._follow_positions()), name="positions")
            tasks.create_task(forever("others", self._follow_others()), name="others")

    async def _follow_settings(self) -> None:
        async for key, stored in Registry(self._bus, "portfolios").follow():
            if key != self._venue:
                continue
            if stored is None:
                self._exposure.settings = None
            elif (entry := decode_or_log(stored, PortfolioEntry, self._log)) is not None:
                self._exposure.settings = entry.settings

    async def _follow_limits(self) -> None:
        async with LatestValues(self._bus, Stream.JOURNAL, (subjects.limits(self._venue),)) as latest:
            async for message in latest:
                limits = decode_or_log(message, PortfolioLimits, self._log)
                if limits is not None:
                    self._exposure.limits = limits
                    if limits.max_exposure:
                        self._is_limited.set()

    async def _follow_positions(self) -> None:
        async with LatestValues(self._bus, Stream.ACCOUNT, (subjects.positions(self._venue),)) as latest:
            async for message in latest:
                position = decode_or_log(message, Position, self._log)
                if position is not None:
                    self._exposure.positions[position.symbol] = position

    async def _follow_others(self) -> None:
        # Other gateways may serve other symbols; their decisions count towards the same limit.
        await self._is_limited.wait()
        async with LatestValues(self._bus, Stream.JOURNAL, (subjects.steps(self._venue),)) as latest:
            async for message in latest:
                symbol = subjects.parse(message.subject).symbol
                if symbol is None or symbol == subjects.ALL or self._exposure.is_served(symbol):
                    continue
                try:
                    step = decode_or_log(message, Step, self._log)
                except FormatTooNew as error:
                    self._log_too_new(symbol, error)
                    continue
                if step is not None:
                    self._exposure.apply_remote(step.state)

    def _log_too_new(self, symbol: Symbol, error: FormatTooNew) -> None:
        # The symbol's last known decisions count on; its position comes from the account.
        if symbol not in self._too_new:
            self._too_new.add(symbol)
            self._log.error("format_too_new", symbol=symbol, detail=str(error))
