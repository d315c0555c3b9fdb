"""The roster's symbols in one engine process: each lives by itself, is shared with other engines, comes and goes."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from bus import FreeRunning, Lease, LeaseProvider, LockStep, Registry, Service, follow_roster
from engine.actor.actor import Actor, ActorTurns
from engine.actor.candles import CandlesOf
from engine.actor.watchdog import Watch
from engine.metrics import EngineMetrics
from engine.reasons import NotQuotingCollector, Reason
from engine.symbol_runner import SymbolRunner
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import SymbolEntry
from schemas.venue.instruments import Instrument


class Orchestrator:
    """Runs the actors of one engine process."""

    def __init__(
        self,
        service: Service,
        tenure: LeaseProvider,
        *,
        lock_step: bool,
        watch: Callable[[], Watch],
        candles: CandlesOf,
    ) -> None:
        self._service = service
        self._tenure = tenure
        self._lock_step = lock_step
        self._watch = watch
        self._candles = candles
        self._metrics = EngineMetrics(service.registry)
        self._runners: dict[str, SymbolRunner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        service.registry.register(NotQuotingCollector(self._reasons))

    async def run(self) -> None:
        """Run every symbol of the roster, now and as it changes; for ever."""
        async with asyncio.TaskGroup() as tasks, aclosing(self._roster()) as changes:
            async for key, entry in changes:
                self._on_change(tasks, key, entry)

    def status(self) -> dict[str, object]:
        """Return what /status says of the symbols."""
        symbols = {key: runner.status() for key, runner in self._runners.items()}
        out: dict[str, object] = {"name": self._tenure.name, "members": self._tenure.members()}
        out["standing"] = dict(Counter(str(said["standing"]) for said in symbols.values()))
        out["symbols"] = symbols
        problems = {key: runner.problem for key, runner in self._runners.items() if runner.problem}
        if problems:
            out["problem"] = "; ".join(f"{key}: {text}" for key, text in problems.items())
        return out

    def _reasons(self) -> Iterator[Reason]:
        for runner in self._runners.values():
            if not runner.is_elsewhere:
                yield Reason(runner.entry.venue, runner.entry.symbol, runner.why_not_quoting())

    def _roster(self) -> AsyncGenerator[tuple[str, SymbolEntry | None], None]:
        return follow_roster(self._service.bus, self._service.log)

    def _on_change(self, tasks: asyncio.TaskGroup, key: str, entry: SymbolEntry | None) -> None:
        known = self._runners.get(key)
        if entry is not None and known is not None and known.entry.generation == entry.generation:
            if known.entry != entry:
                # What is in force is in the journal; these are the settings that the symbol began with.
                self._service.log.warning(
                    "entry_changed", symbol=entry.symbol, detail="settings in force stay"
                )
            return
        if known is not None:
            self._service.log.info("symbol_removed", symbol=known.entry.symbol)
            del self._runners[key]
            known.leave()
            self._tasks[key].cancel()
        if entry is not None:
            runner = self._runners[key] = SymbolRunner(
                self._service, self._tenure, key, entry, make_actor=self._actor, metrics=self._metrics
            )
            before = self._tasks.get(key)
            self._tasks[key] = tasks.create_task(_run_after(before, runner), name=f"symbol:{key}")

    @asynccontextmanager
    async def _actor(self, entry: SymbolEntry, lease: Lease) -> AsyncIterator[Actor]:
        key = subjects.registry_key(entry.venue, entry.symbol)
        async with AsyncExitStack() as stack:
            turns = ActorTurns(FreeRunning(), FreeRunning())
            if self._lock_step:
                turns = ActorTurns(
                    await stack.enter_async_context(LockStep(self._service.bus, f"engine.{key}.orders")),
                    await stack.enter_async_context(LockStep(self._service.bus, f"engine.{key}.ticker")),
                )
            yield Actor(
                self._service.bus,
                entry,
                await self._instrument(key),
                turns=turns,
                watch=self._watch(),
                candles=self._candles,
                metrics=self._metrics,
                log=self._service.log.bind(symbol=entry.symbol),
            )

    async def _instrument(self, key: str) -> Instrument:
        async with aclosing(Registry(self._service.bus, "instruments").follow()) as changes:
            async for found, stored in changes:
                if found != key or stored is None:
                    continue
                try:
                    return decode_as(stored.data, Instrument)
                except UndecodableError as error:
                    self._service.log.error("undecodable", subject=key, detail=str(error))
        raise AssertionError("a registry is followed for ever")


async def _run_after(before: "asyncio.Task[None] | None", runner: SymbolRunner) -> None:
    if before is not None:
        await asyncio.wait([before])
    await runner.run()
