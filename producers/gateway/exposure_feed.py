"""Inputs of the exposure check: positions, limits, and the holdings of symbols that other gateways serve."""

import asyncio

from bus import (
    Backoff,
    Bus,
    BusError,
    LatestValues,
    Logger,
    Received,
    Registry,
    decode_or_log,
    forever,
)
from producers.gateway.exposure import Exposure, Market
from producers.gateway.holdings_feed import HoldingsFeed
from producers.gateway.steps import decode_step
from schemas import earlier_subjects, subjects
from schemas.codec import FormatTooNew
from schemas.engine.portfolio import PortfolioEntry, PortfolioLimits
from schemas.subjects import Stream
from schemas.units import VenueId
from schemas.venue.account import Position

RETRY_S = 0.2
MAX_RETRY_S = 5.0


class ExposureFeed:
    """Keeps the exposure up to date, for the gateways of one venue."""

    def __init__(self, exposure: Exposure, bus: Bus, venue: VenueId, log: Logger) -> None:
        self._exposure = exposure
        self._bus = bus
        self._venue = venue
        self._log = log
        self._is_limited = asyncio.Event()
        self._others: dict[Market, tuple[HoldingsFeed, asyncio.Task[None]]] = {}
        """The symbols of other gateways."""

    async def run(self) -> None:
        """Follow all inputs, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("settings", self._follow_settings()), name="settings")
            tasks.create_task(forever("limits", self._follow_limits()), name="limits")
            tasks.create_task(forever("positions", self._follow_positions()), name="positions")
            tasks.create_task(forever("others", self._follow_others()), name="others")

    async def _follow_settings(self) -> None:
        async for key, stored in Registry(self._bus, "portfolios").follow():
            if key != subjects.ALL:
                continue
            if stored is None:
                self._exposure.settings = None
            elif (entry := decode_or_log(stored, PortfolioEntry, self._log)) is not None:
                self._exposure.settings = entry.settings

    async def _follow_limits(self) -> None:
        # An engine of version 0.1 publishes limits of the venue: they count until there are those of all venues.
        both = (subjects.limits(), earlier_subjects.venue_limits(self._venue))
        async with LatestValues(self._bus, Stream.JOURNAL, both) as latest:
            async for message in latest:
                limits = decode_or_log(message, PortfolioLimits, self._log)
                known = self._exposure.limits
                if limits is None or (known is not None and known.venue != limits.venue == self._venue):
                    continue
                self._exposure.limits = limits
                if limits.max_exposure or any(each.max_exposure for each in limits.buckets.values()):
                    self._is_limited.set()

    async def _follow_positions(self) -> None:
        async with LatestValues(self._bus, Stream.ACCOUNT, (subjects.all_positions(),)) as latest:
            async for message in latest:
                position = decode_or_log(message, Position, self._log)
                if position is not None:
                    self._exposure.positions[position.venue, position.symbol] = position

    async def _follow_others(self) -> None:
        # Other gateways may serve other symbols, also of other venues; their orders count towards the same limit.
        await self._is_limited.wait()
        async with (
            asyncio.TaskGroup() as tasks,
            LatestValues(self._bus, Stream.JOURNAL, (subjects.all_steps(),)) as latest,
        ):
            async for message in latest:
                _, venue, symbol, _ = subjects.parse(message.subject)
                if symbol is None or symbol == subjects.ALL:
                    continue
                if self._exposure.is_served(venue, symbol):
                    if (following := self._others.pop((venue, symbol), None)) is not None:
                        following[1].cancel()
                else:
                    self._apply_remote((venue, symbol), message, tasks)

    def _apply_remote(self, market: Market, message: Received, tasks: asyncio.TaskGroup) -> None:
        if market not in self._others:
            feed = HoldingsFeed(
                self._bus, *market, self._exposure.holdings(*market), self._log, is_remote=True
            )
            self._others[market] = (
                feed,
                tasks.create_task(self._follow_holdings(feed), name=f"holdings:{' '.join(market)}"),
            )
        try:
            step = decode_step(message, self._log)
        except FormatTooNew as error:
            self._log.error("step_too_new", venue=market[0], symbol=market[1], detail=str(error))
            return
        if step is not None:
            self._others[market][0].apply_step(message, step, ())

    async def _follow_holdings(self, feed: HoldingsFeed) -> None:
        backoff = Backoff(RETRY_S, MAX_RETRY_S)
        while True:
            try:
                await feed.run()
            except (BusError, FormatTooNew) as error:
                self._log.warning("holdings_retry", detail=str(error))
                await backoff.wait()
