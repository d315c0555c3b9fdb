"""Runs the portfolio in the engine process that holds its lease."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

from bus import (
    BusError,
    Fenced,
    Lease,
    LeaseProvider,
    Registry,
    Service,
    follow_symbols,
    forever,
    preserve_entries,
)
from bus.coordination.keyed_runner import KeyedRunner
from bus.metrics import Collector, GaugeMetricFamily
from engine.portfolio.actor import PortfolioActor
from schemas.codec import FormatTooNew
from schemas.engine.portfolio import PortfolioEntry
from schemas.subjects import ALL
from schemas.units import Money

KEY = f"{ALL}.{ALL}"
"""The key of the portfolio's lease."""


class PortfolioRunner:
    """Runs the portfolio from the first registered symbol or configured limit on."""

    def __init__(self, service: Service, leases: LeaseProvider) -> None:
        self._service = service
        self._log = service.log
        self._runner = KeyedRunner("portfolio", leases, service.log)
        self._actor: PortfolioActor | None = None
        self._problem = ""
        self._is_needed = asyncio.Event()
        service.registry.register(_Exposures(self))

    async def run(self) -> None:
        """Run the portfolio; for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("symbols traded", self._follow_roster()), name="symbols traded")
            tasks.create_task(forever("limits set", self._follow_limits()), name="limits set")
            kept = preserve_entries(self._service.bus, "portfolios", PortfolioEntry, self._service.log)
            tasks.create_task(forever("limits kept", kept), name="limits kept")
            await self._is_needed.wait()
            self._runner.start(tasks, KEY, self._run_actor, self._on_failure)

    def status(self) -> dict[str, object]:
        """Return the portfolio's part of /status; empty when another process runs it."""
        out: dict[str, object] = {} if self._actor is None else self._actor.status()
        has_problem = self._problem and not self._runner.is_elsewhere(KEY)
        return {**out, "problem": self._problem} if has_problem else out

    def exposures(self) -> dict[str, Money]:
        """Return the exposure by quote currency; empty when another process runs the portfolio."""
        return {} if self._actor is None else self._actor.exposures()

    async def _follow_roster(self) -> None:
        async with aclosing(follow_symbols(self._service.bus, self._log)) as changes:
            async for _, entry in changes:
                if entry is not None:
                    self._is_needed.set()

    async def _follow_limits(self) -> None:
        async with aclosing(Registry(self._service.bus, "portfolios").follow()) as changes:
            async for _ in changes:
                self._is_needed.set()

    async def _run_actor(self, _: Lease) -> None:
        log = self._log.bind(portfolio=ALL)
        actor = self._actor = await PortfolioActor.start(self._service.bus, log)
        self._problem = ""
        try:
            await forever("portfolio", actor.run())
        finally:
            self._actor = None

    def _on_failure(self, cause: Exception) -> None:
        match cause:
            case Fenced():
                self._log.error("fenced", portfolio=ALL, detail=str(cause))
            case FormatTooNew():
                if self._problem != str(cause):
                    self._log.error("format_too_new", portfolio=ALL, detail=str(cause))
                self._problem = str(cause)
            case BusError():
                self._problem = str(cause)
                self._log.error("commit_failed", portfolio=ALL, detail=str(cause))
            case _:
                self._problem = repr(cause)
                self._log.error("actor_failed", portfolio=ALL, detail=repr(cause), exception=cause)


class _Exposures(Collector):
    """The exposure at the time of the scrape."""

    def __init__(self, runner: PortfolioRunner) -> None:
        self._runner = runner

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "market_maker_exposure",
            "Notional of all positions with a quote currency, in that currency",
            labels=["currency"],
        )
        for currency, exposure in self._runner.exposures().items():
            family.add_metric([currency], float(exposure))
        yield family
