"""The portfolio of each venue, in whichever engine process holds its lease; each fails and starts again alone."""

import asyncio
from contextlib import aclosing

from bus import BusError, Fenced, Lease, LeaseProvider, Registry, Service, follow_roster, forever
from bus.metrics import Gauge
from engine.portfolio.actor import PortfolioActor
from schemas.subjects import ALL
from schemas.units import VenueId

BACK_OFF_S = 0.2
BACK_OFF_MAX_S = 5.0


class Portfolios:
    """Runs the portfolios of the venues that are traded or have limits."""

    def __init__(self, service: Service, tenure: LeaseProvider) -> None:
        self._service = service
        self._tenure = tenure
        self._actors: dict[VenueId, PortfolioActor] = {}
        self._problems: dict[VenueId, str] = {}
        self._known: set[VenueId] = set()
        self._exposure = Gauge(
            "market_maker_exposure", "Quote notional of all positions", ["venue"], registry=service.registry
        )

    async def run(self) -> None:
        """Run them, now and as venues come; for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("venues traded", self._follow_roster(tasks)), name="venues traded")
            tasks.create_task(forever("venues limited", self._follow_limits(tasks)), name="venues limited")

    def status(self) -> dict[str, object]:
        """Return what /status says of the portfolios that run here."""
        out: dict[str, object] = {venue: actor.status() for venue, actor in self._actors.items()}
        if self._problems:
            out["problem"] = "; ".join(f"{venue}: {text}" for venue, text in self._problems.items())
        return out

    async def _follow_roster(self, tasks: asyncio.TaskGroup) -> None:
        async with aclosing(follow_roster(self._service.bus, self._service.log)) as changes:
            async for _, entry in changes:
                if entry is not None:
                    self._start(tasks, entry.venue)

    async def _follow_limits(self, tasks: asyncio.TaskGroup) -> None:
        async with aclosing(Registry(self._service.bus, "portfolios").follow()) as changes:
            async for key, _ in changes:
                self._start(tasks, VenueId(key))

    def _start(self, tasks: asyncio.TaskGroup, venue: VenueId) -> None:
        if venue in self._known:
            return
        self._known.add(venue)
        tasks.create_task(forever(venue, self._keep(venue)), name=f"portfolio:{venue}")

    async def _keep(self, venue: VenueId) -> None:
        delay_s = BACK_OFF_S
        while True:
            await self._tenure.run_while_held(f"{venue}.{ALL}", lambda lease: self._work(venue, lease))
            # Who was fenced, or failed, lets another one try.
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, BACK_OFF_MAX_S)

    async def _work(self, venue: VenueId, lease: Lease) -> None:
        log = self._service.log.bind(portfolio=venue)
        actor = self._actors[venue] = PortfolioActor(self._service.bus, venue, log)
        self._problems.pop(venue, None)
        self._exposure.labels(venue).set_function(lambda: float(actor.exposure))
        try:
            await actor.run()
        except* Fenced as group:
            log.error("fenced", detail=str(group.exceptions[0]))
        except* BusError as group:
            self._problems[venue] = str(group.exceptions[0])
            log.error("commit_failed", detail=self._problems[venue])
        except* Exception as group:  # noqa: BLE001 - the actor's outermost edge: its fault is its own
            self._problems[venue] = repr(group.exceptions[0])
            log.error("actor_failed", detail=self._problems[venue], exception=group)
        finally:
            del self._actors[venue]
            self._exposure.remove(venue)
