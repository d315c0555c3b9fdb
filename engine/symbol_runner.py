"""One symbol's life in this process: waits for its lease, runs its actor, starts it again, sets it aside, lets it go."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum

from bus import BusError, Fenced, Lease, LeaseProvider, Service, deregister, flatten_errors
from engine.actor.actor import Actor
from engine.metrics import EngineMetrics
from engine.quarantine import Failures, Place, Poisoned, announce, until_reset
from schemas.engine.journal import SymbolEntry
from schemas.grid.view import NotQuoting
from schemas.subjects import Stream

BACK_OFF_S = 0.2
BACK_OFF_MAX_S = 5.0
HEALTHY_S = 30.0
"""An actor that ran for so long is started again with the first patience."""

MakeActor = Callable[[SymbolEntry, Lease], AbstractAsyncContextManager[Actor]]


class Standing(StrEnum):
    """What a symbol is, here."""

    WAITING = "waiting"
    RUNNING = "running here"
    QUARANTINED = "quarantined"


class SymbolRunner:
    """Runs one symbol whenever it is ours to run."""

    def __init__(
        self,
        service: Service,
        tenure: LeaseProvider,
        key: str,
        entry: SymbolEntry,
        *,
        make_actor: MakeActor,
        metrics: EngineMetrics,
    ) -> None:
        self._bus = service.bus
        self._log = service.log.bind(symbol=entry.symbol)
        self._tenure = tenure
        self._key = key
        self._make_actor = make_actor
        self._metrics = metrics
        self._failures = Failures()
        self._passed_over: frozenset[Place] = frozenset()
        self._lease: Lease | None = None
        self._actor: Actor | None = None
        self._delay_s = BACK_OFF_S
        self._is_fenced = False
        self._is_removed = False
        self._standing = Standing.WAITING
        self.entry = entry
        self.problem: str | None = None

    async def run(self) -> None:
        """Run the symbol whenever its lease is ours, until it is removed."""
        while not self._is_removed:
            self._is_fenced = False
            await self._tenure.run_while_held(self._key, self._work)
            if self._is_fenced:
                # Who was fenced lets the other one work, and does not fight.
                await self._back_off()

    def leave(self) -> None:
        """Tell that the symbol is not to be run any more; to be called before `run` is cancelled."""
        if self._lease is not None:
            self._lease.lost.set()

    def status(self) -> dict[str, object]:
        """Return what /status says of the symbol."""
        standing = str(self._standing)
        holder = self._tenure.holder(self._key)
        if self._standing is Standing.WAITING and holder not in (None, self._tenure.name):
            standing = f"held by {holder}"
        said = self._actor.status() if self._actor is not None else {}
        return {"standing": standing, **said, "problem": self.problem}

    def why_not_quoting(self) -> NotQuoting | None:
        """Return the one reason, None when it is quoting."""
        if self._standing is Standing.QUARANTINED:
            return NotQuoting.QUARANTINED
        return NotQuoting.WAITING_FOR_LEASE if self._actor is None else self._actor.why_not_quoting()

    @property
    def is_elsewhere(self) -> bool:
        """Another engine has it, and says what it does."""
        return self._tenure.holder(self._key) not in (None, self._tenure.name)

    async def _work(self, lease: Lease) -> None:
        self._lease = lease
        try:
            while not (self._is_fenced or self._is_removed):
                await self._run_actor(lease)
        finally:
            self._lease = self._actor = None
            self._stand(Standing.WAITING)

    async def _run_actor(self, lease: Lease) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with self._make_actor(self.entry, lease) as actor:
                actor.passed_over = self._passed_over
                actor.is_last = lease.is_last
                self._actor = actor
                self._stand(Standing.RUNNING)
                await actor.run()
        except Exception as error:
            cause = _cause(error)
            if (task := asyncio.current_task()) is not None and task.cancelling():
                self._log.error("actor_failed", detail=f"as it ended: {cause!r}", exception=cause)
                raise asyncio.CancelledError from error
        else:
            await self._remove()
            return
        if clock() - started > HEALTHY_S:
            self._delay_s = BACK_OFF_S
        self._metrics.restarts.labels(self.entry.venue, self.entry.symbol).inc()
        await self._on_failure(cause)

    async def _remove(self) -> None:
        self._log.info("removed", generation=self.entry.generation)
        while not self._is_removed:
            try:
                await deregister(self._bus, self.entry)
                self._is_removed = True
            except BusError as error:
                self._log.warning("not_taken_off", detail=str(error))
                await self._back_off()

    async def _on_failure(self, cause: Exception) -> None:
        match cause:
            case Fenced():
                self.problem = "another engine took over"
                self._log.error("fenced", detail=str(cause))
                self._is_fenced = True
            case BusError():
                self.problem = str(cause)
                self._log.error("commit_failed", detail=str(cause))
                await self._back_off()
            case _:
                place = cause.place if isinstance(cause, Poisoned) else Place("actor")
                self.problem = str(cause) if isinstance(cause, Poisoned) else repr(cause)
                self._log.error("actor_failed", detail=self.problem, exception=cause)
                if self._failures.add(place):
                    await self._set_aside(place)
                else:
                    await self._back_off()

    async def _set_aside(self, place: Place) -> None:
        """Wait, with nothing out that nobody looks after: the gateway hears no heartbeat."""
        self._stand(Standing.QUARANTINED)
        detail = f"the core failed again and again: {self.problem}; control reset goes on"
        if place.sequence:
            detail += " without that input"
        self._log.error("quarantined", detail=detail)
        heard: int | None = None
        while True:
            try:
                if heard is None:
                    heard = await self._bus.last_sequence(Stream.CONTROL)
                    await announce(self._bus, self.entry, place, detail)
                await until_reset(self._bus, self.entry, heard)
                break
            except BusError as error:
                self._log.warning("quarantine_waits", detail=str(error))
                await self._back_off()
        self._log.warning("quarantine_ended", detail="reset by a person")
        self._failures.clear()
        if place.sequence:
            self._passed_over |= {place}

    def _stand(self, standing: Standing) -> None:
        self._standing = standing
        if standing is Standing.RUNNING:
            self.problem = None
        is_set_aside = standing is Standing.QUARANTINED
        self._metrics.quarantined.labels(self.entry.venue, self.entry.symbol).set(is_set_aside)

    async def _back_off(self) -> None:
        await asyncio.sleep(self._delay_s)
        self._delay_s = min(self._delay_s * 2, BACK_OFF_MAX_S)


def _cause(error: Exception) -> Exception:
    """Return what went wrong: our own fault before another engine, and that before the bus's."""
    causes = flatten_errors(error)
    ours = [leaf for leaf in causes if not isinstance(leaf, BusError)]
    fenced = [leaf for leaf in causes if isinstance(leaf, Fenced)]
    return (ours or fenced or causes)[0]
