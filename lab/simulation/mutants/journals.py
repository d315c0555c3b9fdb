"""Mutants of the commit log: fencing, the order of commit and effect, claims."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from weakref import WeakKeyDictionary

import msgspec

from bus import Fenced, Journal, Lease, Leases, Received, trace_context
from engine.actor import actor as engine_actor
from engine.actor import start as engine_start
from engine.actor.inbox import DurableInput, Inbox
from engine.actor.publisher import derived_events
from engine.actor.readers import Readers, Source
from engine.actor.step_record import AppliedInput, Context, step_record
from engine.core.grid import Grid
from engine.core.step import Change
from lab.simulation.mutants.mutant import Mutant, replaced
from producers.gateway.executor import IntentRef
from producers.gateway.gateway import Gateway
from producers.gateway.steps import decode_step
from schemas.codec import encode
from schemas.engine.journal import Step, StreamOffset
from schemas.formats import record_hash
from schemas.grid.guard_state import Breaker
from schemas.grid.state import GridState
from schemas.subjects import Stream
from schemas.traceparent import traceparent_of
from schemas.units import Symbol

_commit = Journal.commit
_put = Inbox.put
_readers_init = Readers.__init__
_arrived_at: WeakKeyDictionary[Inbox, dict[str, StreamOffset]] = WeakKeyDictionary()


def no_compare_and_set() -> AbstractContextManager[None]:
    async def commit(self: Journal, event: msgspec.Struct, timeout_s: float = 5.0) -> int:
        linked = _linked(event, self.record)
        record = encode(linked)
        self.sequence = await self._bus.store(self._subject, linked, encoded=record, timeout_s=timeout_s)
        self.record = record
        return self.sequence

    return replaced((Journal, "commit", commit))


def ignore_claim() -> AbstractContextManager[None]:
    async def commit(self: Journal, event: msgspec.Struct, timeout_s: float = 5.0) -> int:
        while True:
            try:
                return await _commit(self, event, timeout_s)
            except Fenced:
                stream = Stream.ORDERS if self._subject.startswith("order.") else Stream.JOURNAL
                last = await self._bus.last(stream, self._subject)
                assert last is not None, "another writer has committed"
                self.sequence, self.record, self._has_failed = last.sequence, last.data, False

    def lose(self: Leases, lease: Lease, reason: str) -> None:
        pass

    return replaced((Journal, "commit", commit), (Leases, "_lose", lose))


def publish_before_commit() -> AbstractContextManager[None]:
    async def commit(self: Journal, event: msgspec.Struct, timeout_s: float = 5.0) -> int:
        if isinstance(event, Step):
            for each in derived_events(event):
                await self._bus.store(each.subject, each.event, message_id=each.message_id)
        return await _commit(self, event, timeout_s)

    return replaced((Journal, "commit", commit))


def send_before_intent() -> AbstractContextManager[None]:
    async def act_on(
        self: Gateway, journal: Journal, epoch: int, message: Received, tasks: asyncio.TaskGroup
    ) -> None:
        step = decode_step(message, self._log)
        self._chain.check(message, step)
        if step is not None:
            await self._apply(message, step)
            if decisions := await self._without_expired(step, message.time_ns):
                intent = self._intent(epoch, step, message, decisions)
                with trace_context(traceparent_of(step)):
                    for decision in decisions:
                        self._executor.submit(decision, IntentRef(intent.created_time), tasks)
                    await journal.commit(intent)
        self._read_through = message.sequence

    return replaced((Gateway, "_act_on", act_on))


def acknowledge_before_commit() -> AbstractContextManager[None]:
    arrived: dict[tuple[Symbol, int], dict[str, StreamOffset]] = {}

    async def put(self: Inbox, durable: DurableInput) -> None:
        _arrived_at[self][durable.stream] = durable.offset
        await _put(self, durable)

    def init(self: Readers, source: Source, inbox: Inbox) -> None:
        _readers_init(self, source, inbox)
        _arrived_at[inbox] = arrived.setdefault((source.entry.symbol, source.epoch), {})

    def record(change: Change, state: GridState, context: Context, inputs: Sequence[AppliedInput]) -> Step:
        offsets = {**context.offsets, **arrived.get((state.symbol, context.epoch), {})}
        return step_record(change, state, context._replace(offsets=offsets), inputs)

    return replaced((Inbox, "put", put), (Readers, "__init__", init), (engine_actor, "step_record", record))


def clear_breaker_on_restart() -> AbstractContextManager[None]:
    original = engine_start._grid

    def grid(context: engine_start.ActorContext, last: Step | None) -> tuple[Grid, object]:
        if last is not None:
            last.state.breaker = Breaker()
        return original(context, last)

    return replaced((engine_start, "_grid", grid))


def _linked(event: msgspec.Struct, record: bytes) -> msgspec.Struct:
    if "previous_hash" not in event.__struct_fields__:
        return event
    return msgspec.structs.replace(event, previous_hash=record_hash(record) if record else "")


MUTANTS = (
    Mutant(
        "no-compare-and-set",
        "A commit does not expect the sequence of the last one: two writers append to one journal.",
        no_compare_and_set,
        ("pause",),
    ),
    Mutant(
        "ignore-claim",
        "A process works on after it lost its lease, and writes on after it was fenced.",
        ignore_claim,
        ("pause",),
    ),
    Mutant(
        "publish-before-commit",
        "The events of a step are published before it is committed.",
        publish_before_commit,
    ),
    Mutant(
        "send-before-intent",
        "Orders are sent before the intent that names them is stored.",
        send_before_intent,
    ),
    Mutant(
        "acknowledge-before-commit",
        "Inputs count as read when they arrive, before the step that they cause is committed.",
        acknowledge_before_commit,
        ("slow-network", "kill-at-step"),
    ),
    Mutant(
        "clear-breaker-on-restart",
        "An engine that takes a symbol over starts with a closed circuit breaker.",
        clear_breaker_on_restart,
        ("kill",),
    ),
)
