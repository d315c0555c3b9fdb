"""Runs the portfolio of each venue in the engine process that holds its lease."""

import asyncio
from contextlib import aclosing
from functools import partial

from bus import (
    BusError,
    Fenced,
    Lease,
    LeaseProvider,
    Logger,
    Registry,
    Service,
    follow_symbols,
    forever,
    preserve_entries,
)
from bus.coordination.keyed_runner import KeyedRunner
from bus.metrics import Gauge
from engine.portfolio.actor import PortfolioActor
from schemas.codec import FormatTooNew
from schemas.engine.portfolio import PortfolioEntry
from schemas.subjects import ALL
from schemas.units import VenueId


class PortfolioRunner:
    """Runs the portfolios of the venues that have had registered symbols or configured limits since the start."""

    def __init__(self, service: Service, leases: LeaseProvider) -> None:
        self._service = service
        self._runner = KeyedRunner("portfolio", leases, service.log)
        self._actors: dict[VenueId, PortfolioActor] = {}
        self._problems: dict[VenueId, str] = {}
        self._venues: set[VenueId] = set()
        self._exposure = Gauge(
            "market_maker_exposure", "Quote notional of all positions", ["venue"], registry=service.registry
        )

    async def run(self) -> None:
        """Run the portfolios, now and as venues are added; for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("venues traded", self._follow_roster(tasks)), name="venues traded")
            tasks.create_task(forever("venues limited", self._follow_limits(tasks)), name="venues limited")
            kept = preserve_entries(self._service.bus, "portfolios", PortfolioEntry, self._service.log)
            tasks.create_task(forever("limits kept", kept), name="limits kept")

    def status(self) -> dict[str, object]:
        """Return the part of /status of the portfolios that run in this process."""
        out: dict[str, object] = {venue: actor.status() for venue, actor in self._actors.items()}
        if self._problems:
            out["problem"] = "; ".join(f"{venue}: {text}" for venue, text in self._problems.items())
        return out

    async def _follow_roster(self, tasks: asyncio.TaskGroup) -> None:
        async with aclosing(follow_symbols(self._service.bus, self._service.log)) as changes:
            async for _, entry in changes:
                if entry is not None:
                    self._start(tasks, entry.venue)

    async def _follow_limits(self, tasks: asyncio.TaskGroup) -> None:
        async with aclosing(Registry(self._service.bus, "portfolios").follow()) as changes:
            async for key, _ in changes:
                self._start(tasks, VenueId(key))

    def _start(self, tasks: asyncio.TaskGroup, venue: VenueId) -> None:
        if venue in self._venues:
            return
        self._venues.add(venue)
        log = self._service.log.bind(portfolio=venue)
        work, on_failure = partial(self._run_actor, venue, log), partial(self._on_failure, venue, log)
        self._runner.start(tasks, f"{venue}.{ALL}", work, on_failure)

    async def _run_actor(self, venue: VenueId, log: Logger, _: Lease) -> None:
        actor = self._actors[venue] = await PortfolioActor.start(self._service.bus, venue, log)
        self._problems.pop(venue, None)
        self._exposure.labels(venue).set_function(lambda: float(actor.exposure))
        try:
            await forever(venue, actor.run())
        finally:
            del self._actors[venue]
            self._exposure.remove(venue)

    def _on_failure(self, venue: VenueId, log: Logger, cause: Exception) -> None:
        match cause:
            case Fenced():
                log.error("fenced", detail=str(cause))
            case FormatTooNew():
                if self._problems.get(venue) != str(cause):
                    log.error("format_too_new", detail=str(cause))
                self._problems[venue] = str(cause)
            case BusError():
                self._problems[venue] = str(cause)
                log.error("commit_failed", detail=str(cause))
            case _:
                self._problems[venue] = repr(cause)
                log.error("actor_failed", detail=repr(cause), exception=cause)
