"""Runs the symbols of the roster in an engine process; engines share them by lease."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from bus import FreeRunning, LeaseProvider, LockStep, Service, follow_symbols, forever, nothing_registered
from bus.commands import traded_symbols
from bus.coordination.keyed_runner import KeyedRunner
from bus.streams.provision import APPLY
from engine.actor.candles import CandlesOf
from engine.actor.instrument import first_instrument
from engine.actor.market import SymbolMarket
from engine.actor.shutdown import IsLast
from engine.actor.start import ActorContext, ActorGates
from engine.metrics import EngineMetrics, NotQuotingCollector, NotQuotingReason
from engine.quarantine import InputRef
from engine.roster_keeper import RosterKeeper
from engine.symbol_runner import SymbolRunner
from schemas import subjects
from schemas.engine.assignment import Assignment
from schemas.engine.journal import SymbolEntry


class Orchestrator:
    """Runs the symbols of one engine process."""

    def __init__(
        self,
        service: Service,
        leases: LeaseProvider,
        *,
        lock_step: bool,
        make_market: Callable[[], SymbolMarket],
        candles: CandlesOf,
    ) -> None:
        self._service = service
        self._leases = leases
        self._lock_step = lock_step
        self._make_market = make_market
        self._candles = candles
        self._metrics = EngineMetrics(service.registry)
        self._symbols: dict[str, SymbolRunner] = {}
        self._is_roster_read = False
        self._runner = KeyedRunner("symbol", leases, service.log)
        service.registry.register(NotQuotingCollector(self._reasons))

    async def run(self) -> None:
        """Run every symbol of the roster, now and as it changes; for ever."""
        await self._note_empty_roster()
        roster = follow_symbols(self._service.bus, self._service.log)
        keeper = RosterKeeper(self._service.bus, self._symbols, self._service.log)
        async with asyncio.TaskGroup() as tasks, aclosing(roster) as changes:
            tasks.create_task(forever("roster", keeper.run()), name="roster")
            async for key, entry in changes:
                if entry is None or not await keeper.is_outdated(key, entry):
                    self._on_change(tasks, key, entry)

    async def _note_empty_roster(self) -> None:
        if not await traded_symbols(self._service.bus):
            self._service.log.warning("no_symbols", do=APPLY)
            self._is_roster_read = True

    def running(self) -> list[str]:
        """Return the registry keys of the symbols that this engine holds at present, quarantined ones included."""
        return [key for key, symbol in self._symbols.items() if symbol.assignment is not Assignment.WAITING]

    def status(self) -> dict[str, object]:
        """Return the engine's part of /status."""
        symbols = {key: self._symbol_status(key, symbol) for key, symbol in self._symbols.items()}
        out: dict[str, object] = {"name": self._leases.name, "members": self._leases.members()}
        out["standing"] = dict(Counter(str(symbol["standing"]) for symbol in symbols.values()))
        out["symbols"] = symbols
        problems = {
            key: text for key, symbol in self._symbols.items() if (text := self._problem(key, symbol))
        }
        if self._is_roster_read and not symbols:
            out["problem"] = nothing_registered()
        if problems:
            out["problem"] = "; ".join(f"{key}: {text}" for key, text in problems.items())
        return out

    def _symbol_status(self, key: str, symbol: SymbolRunner) -> dict[str, object]:
        standing = str(symbol.assignment)
        if symbol.assignment is Assignment.WAITING:
            standing = self._runner.holder_text(key, is_running=False)
        return {"standing": standing, **symbol.status(), "problem": self._problem(key, symbol)}

    def _problem(self, key: str, symbol: SymbolRunner) -> str | None:
        """Return the problem of a symbol; None while another engine runs the symbol."""
        return None if self._runner.is_elsewhere(key) else symbol.problem

    def _reasons(self) -> Iterator[NotQuotingReason]:
        for key, symbol in self._symbols.items():
            if not self._runner.is_elsewhere(key):
                yield NotQuotingReason(symbol.entry.venue, symbol.entry.symbol, symbol.why_not_quoting())

    def _on_change(self, tasks: asyncio.TaskGroup, key: str, entry: SymbolEntry | None) -> None:
        known = self._symbols.get(key)
        if known is not None and entry == known.registered():
            known.entry = entry
            return
        if entry is not None and known is not None and _is_same_run(known.entry, entry):
            if known.entry != entry:
                # The settings in force are in the journal; those of the entry are the initial ones.
                self._service.log.warning(
                    "entry_changed", symbol=entry.symbol, detail="the settings in force stay"
                )
            return
        if known is not None:
            event = "symbol_removed" if entry is None else "symbol_restarted"
            self._service.log.info(event, symbol=known.entry.symbol)
            del self._symbols[key]
            self._runner.stop(key)
        if entry is not None:
            self._is_roster_read = True
            symbol = self._symbols[key] = SymbolRunner(
                self._service, entry, prepare_actor=self._prepare_actor, metrics=self._metrics
            )
            self._runner.start(tasks, key, symbol.run, symbol.on_failure)

    @asynccontextmanager
    async def _prepare_actor(
        self, entry: SymbolEntry, is_last: IsLast, skipped: frozenset[InputRef]
    ) -> AsyncIterator[ActorContext]:
        bus = self._service.bus
        key = subjects.registry_key(entry.venue, entry.symbol)
        async with AsyncExitStack() as stack:
            gates = ActorGates(FreeRunning(), FreeRunning())
            if self._lock_step:
                gates = ActorGates(
                    await stack.enter_async_context(LockStep(bus, f"engine.{key}.orders")),
                    await stack.enter_async_context(LockStep(bus, f"engine.{key}.ticker")),
                )
            yield ActorContext(
                bus=bus,
                entry=entry,
                instrument=await first_instrument(bus, entry, self._service.log),
                gates=gates,
                market=self._make_market(),
                candles=self._candles,
                metrics=self._metrics,
                is_last=is_last,
                skipped=skipped,
                log=self._service.log.bind(symbol=entry.symbol),
                engine=self._leases.name,
            )


def _is_same_run(known: SymbolEntry, entry: SymbolEntry) -> bool:
    """Return whether a symbol continues with a new entry; otherwise it was added again, or restored from a backup."""
    return (known.generation, known.restore_id) == (entry.generation, entry.restore_id)
