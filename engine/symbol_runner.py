"""Runs one symbol while its lease is held: restarts its actor, quarantines it, removes it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec

from bus import Backoff, BusError, Fenced, Lease, NoSpace, Service, StreamGone, deregister, provision
from bus.coordination.keyed_runner import HEALTHY_S, MAX_RETRY_S, RETRY_S, is_cancelling, root_cause
from bus.marks import reached
from engine.actor.actor import Actor
from engine.actor.lost_records import JournalLost
from engine.actor.shutdown import IsLast
from engine.actor.start import ActorContext
from engine.metrics import EngineMetrics
from engine.quarantine import (
    JOURNAL_LOST,
    MAX_FAILURES,
    FailureCounter,
    InputRef,
    PoisonInput,
    announce,
    announce_end,
    announce_refusal,
    wait_reset,
)
from schemas.codec import FormatTooNew
from schemas.engine.assignment import Assignment
from schemas.engine.events import AlertRaised
from schemas.engine.journal import SymbolEntry
from schemas.grid.view import NotQuoting
from schemas.subjects import Stream

PrepareActor = Callable[[SymbolEntry, IsLast, frozenset[InputRef]], AbstractAsyncContextManager[ActorContext]]
JOURNAL_LOST_ADVICE = (
    "restore a backup with `./opensqt bus restore DIRECTORY`, or close the position by hand and start again with "
    "`./opensqt control reset VENUE SYMBOL`: position and profit then begin at 0"
)


class SymbolRunner:
    """Runs one symbol. A failed actor is restarted under the same lease, unless it was fenced."""

    def __init__(
        self, service: Service, entry: SymbolEntry, *, prepare_actor: PrepareActor, metrics: EngineMetrics
    ) -> None:
        self._bus = service.bus
        self._log = service.log.bind(symbol=entry.symbol)
        self._prepare_actor = prepare_actor
        self._metrics = metrics
        self._failures = FailureCounter()
        self._skipped: frozenset[InputRef] = frozenset()
        self._actor: Actor | None = None
        self._record = b""
        """The last record that this process committed."""
        self._backoff = Backoff(RETRY_S, MAX_RETRY_S)
        self.entry = entry
        self.assignment = Assignment.WAITING
        self.problem: str | None = None

    def registered(self) -> SymbolEntry:
        """Return the entry with at least the generation of the symbol's state, to be put back if it was lost."""
        generation = self._actor.generation if self._actor is not None else 0
        return msgspec.structs.replace(self.entry, generation=max(self.entry.generation, generation))

    async def run(self, lease: Lease) -> None:
        """Run the symbol until it is removed; its lease is held.

        Raises: Fenced when another engine took over.
        """
        try:
            while not await self._run_actor(lease):
                pass
            await self._deregister()
        finally:
            self._actor = None
            self._assign(Assignment.WAITING)

    def on_failure(self, cause: Exception) -> None:
        """Report the failure that ended `run`."""
        if isinstance(cause, Fenced):
            self.problem = "another engine took over"
            self._log.error("fenced", detail=str(cause))
        elif not isinstance(cause, FormatTooNew):
            self.problem = repr(cause)
            self._log.error("symbol_failed", detail=self.problem, exception=cause)

    def status(self) -> dict[str, object]:
        """Return the actor's part of /status."""
        return self._actor.status() if self._actor is not None else {}

    def why_not_quoting(self) -> NotQuoting | None:
        """Return the reason for not quoting, None when the symbol is quoting."""
        if self.assignment is Assignment.QUARANTINED:
            return NotQuoting.QUARANTINED
        if self._actor is not None:
            return self._actor.why_not_quoting()
        return NotQuoting.NO_PRICE if self.assignment is Assignment.RUNNING else NotQuoting.WAITING_FOR_LEASE

    async def _run_actor(self, lease: Lease) -> bool:
        """Run an actor until it ends; return whether the symbol was removed."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with self._prepare_actor(self.entry, lease.is_last, self._skipped) as context:
                self._actor = None
                self._assign(Assignment.RUNNING)
                self._actor = await Actor.start(context._replace(remembered=self._record))
                self.problem = None
                await self._actor.run()
                return True
        except FormatTooNew as error:
            await self._refuse(error)
            raise
        except Exception as error:
            if is_cancelling():
                raise
            cause = root_cause(error)
        finally:
            if self._actor is not None:
                self._record = self._actor.record
        if clock() - started > HEALTHY_S:
            self._backoff.reset()
        self._metrics.restarts.labels(self.entry.venue, self.entry.symbol).inc()
        await self._recover(cause)
        return False

    async def _refuse(self, reason: FormatTooNew) -> None:
        """Report that the journal needs a newer engine, once. The lease is released: a newer engine may take it."""
        if self.problem == str(reason):
            return
        self.problem = str(reason)
        self._log.error("format_too_new", detail=self.problem)
        try:
            await announce_refusal(self._bus, self.entry, reason)
        except BusError as error:
            self._log.warning("alert_not_published", detail=str(error))

    async def _deregister(self) -> None:
        self._log.info("removed", generation=self.entry.generation)
        while True:
            try:
                return await deregister(self._bus, self.entry)
            except BusError as error:
                self._log.warning("deregister_failed", detail=str(error))
                await self._backoff.wait()

    async def _recover(self, cause: Exception) -> None:
        match cause:
            case Fenced():
                raise cause
            case JournalLost():
                self.problem = f"{cause}: {JOURNAL_LOST_ADVICE}"
                await self._quarantine(JOURNAL_LOST)
            case BusError():
                if isinstance(cause, StreamGone):
                    await provision(self._bus)
                self.problem = str(cause)
                if isinstance(cause, NoSpace):
                    reached("no_space")
                self._log.error("commit_failed", detail=str(cause))
                await self._backoff.wait()
            case _:
                ref = cause.ref if isinstance(cause, PoisonInput) else InputRef("actor")
                self.problem = str(cause) if isinstance(cause, PoisonInput) else repr(cause)
                reached("actor_failed")
                self._log.error("actor_failed", detail=self.problem, exception=cause)
                if self._failures.add(ref):
                    await self._quarantine(ref)
                else:
                    await self._backoff.wait()

    async def _quarantine(self, ref: InputRef) -> None:
        """Wait for a reset. The gateway cancels opening orders, since no heartbeat goes out."""
        reached("quarantined")
        self._assign(Assignment.QUARANTINED)
        detail = f"failed {MAX_FAILURES} times: {self.problem}; `./opensqt control reset` resumes the symbol"
        if ref.sequence:
            detail += " without that input"
        elif ref == JOURNAL_LOST:
            detail = str(self.problem)
        self._log.error("quarantined", detail=detail)
        control_sequence: int | None = None
        alert: AlertRaised | None = None
        while True:
            try:
                if control_sequence is None:
                    control_sequence = await self._bus.last_sequence(Stream.CONTROL)
                if alert is None:
                    alert = await announce(self._bus, self.entry, ref, detail)
                await wait_reset(self._bus, self.entry, control_sequence)
                await announce_end(self._bus, alert)
                break
            except BusError as error:
                self._log.warning("quarantine_retry", detail=str(error))
                await self._backoff.wait()
        reached("quarantine_ended")
        self._log.warning("quarantine_ended", detail="reset by a command")
        self._failures.clear()
        if ref.sequence or ref == JOURNAL_LOST:
            self._skipped |= {ref}

    def _assign(self, assignment: Assignment) -> None:
        self.assignment = assignment
        is_quarantined = assignment is Assignment.QUARANTINED
        self._metrics.quarantined.labels(self.entry.venue, self.entry.symbol).set(is_quarantined)
