"""One actor for each symbol of the registry, each failing and starting again alone."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from bus import BusError, Fenced, FreeRunning, LockStep, Part, Registry
from engine.actor import Actor, ActorTurns
from engine.candles import CandlesOf
from engine.metrics import EngineMetrics
from engine.watch import Watch
from schemas.codec import UndecodableError, decode_as
from schemas.instruments import Instrument
from schemas.journal import SymbolEntry

BACK_OFF_S = 0.2
BACK_OFF_MAX_S = 5.0
HEALTHY_S = 30.0
"""An actor that ran for so long is started again with the first patience."""


class Orchestrator:
    """Runs the actors of one engine process."""

    def __init__(
        self, part: Part, *, lock_step: bool, watch: Callable[[], Watch], candles: CandlesOf
    ) -> None:
        self._part = part
        self._lock_step = lock_step
        self._watch = watch
        self._candles = candles
        self._metrics = EngineMetrics(part.registry)
        self._actors: dict[str, Actor] = {}
        self._problems: dict[str, str] = {}

    async def run(self) -> None:
        """Start an actor for every symbol of the roster, now and as it grows; for ever."""
        running: set[str] = set()
        async with asyncio.TaskGroup() as tasks:
            async for key, stored in Registry(self._part.bus, "symbols").follow():
                if stored is None or key in running:
                    continue
                try:
                    entry = decode_as(stored.data, SymbolEntry)
                except UndecodableError as error:
                    self._part.log.error("undecodable", subject=key, detail=str(error))
                    continue
                running.add(key)
                tasks.create_task(self._supervise(key, entry), name=f"actor:{key}")

    def status(self) -> dict[str, object]:
        """Return what /status says of the symbols."""
        symbols: dict[str, object] = {}
        for key, actor in self._actors.items():
            symbols[key] = {**actor.status(), "problem": self._problems.get(key)}
        out: dict[str, object] = {"symbols": symbols}
        if self._problems:
            out["problem"] = "; ".join(f"{key}: {text}" for key, text in self._problems.items())
        return out

    async def _supervise(self, key: str, entry: SymbolEntry) -> None:
        log = self._part.log.bind(symbol=entry.symbol)
        instrument = await self._instrument(key)
        delay = BACK_OFF_S
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            try:
                await self._run_actor(key, entry, instrument)
            except* Fenced as group:
                self._problems[key] = "another engine took over"
                log.error("fenced", detail=str(group.exceptions[0]))
            except* BusError as group:
                self._problems[key] = str(group.exceptions[0])
                log.error("commit_failed", detail=str(group.exceptions[0]))
            except* Exception as group:  # noqa: BLE001 - the actor's outermost edge: its fault is its own
                self._problems[key] = repr(group.exceptions[0])
                log.error("actor_failed", detail=repr(group.exceptions[0]), exception=group)
            self._metrics.restarts.labels(entry.venue, entry.symbol).inc()
            if clock() - started > HEALTHY_S:
                delay = BACK_OFF_S
            await asyncio.sleep(delay)
            delay = min(delay * 2, BACK_OFF_MAX_S)

    async def _run_actor(self, key: str, entry: SymbolEntry, instrument: Instrument) -> None:
        async with AsyncExitStack() as stack:
            turns = ActorTurns(FreeRunning(), FreeRunning())
            if self._lock_step:
                turns = ActorTurns(
                    await stack.enter_async_context(LockStep(self._part.bus, f"engine.{key}.orders")),
                    await stack.enter_async_context(LockStep(self._part.bus, f"engine.{key}.ticker")),
                )
            actor = Actor(
                self._part.bus,
                entry,
                instrument,
                turns=turns,
                watch=self._watch(),
                candles=self._candles,
                metrics=self._metrics,
                log=self._part.log.bind(symbol=entry.symbol),
            )
            self._actors[key] = actor
            self._problems.pop(key, None)
            await actor.run()

    async def _instrument(self, key: str) -> Instrument:
        async for found, stored in Registry(self._part.bus, "instruments").follow():
            if found != key or stored is None:
                continue
            try:
                return decode_as(stored.data, Instrument)
            except UndecodableError as error:
                self._part.log.error("undecodable", subject=key, detail=str(error))
        raise AssertionError("a registry is followed for ever")
