"""Read streams in order: without gaps or repeats, across reconnects, server restarts and lost consumers."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress

import msgspec

from bus.client.connection import Bus
from bus.client.consumer import (
    ConsumerInfo,
    FromSequence,
    FromStart,
    LastPerSubject,
    Start,
    consumer_config,
    consumer_prefix,
)
from bus.client.jetstream_api import LOOKUP_TIMEOUT_S
from bus.client.message import Received
from bus.client.request_reply import nats_inbox
from bus.errors import BusError, OffsetLost
from bus.streams.ordered_consumer import BATCH_SIZE, Batch, OrderedConsumer
from schemas.engine.journal import StreamOffset


async def read(
    bus: Bus, stream: str, filters: Sequence[str], start: Start, *, batch: int = BATCH_SIZE
) -> AsyncGenerator[Batch, None]:
    """Yield the stored and all future messages on the matching subjects, at most `batch` at a time.

    Leave it with `contextlib.aclosing` when the loop may end early.
    Raises: StreamGone when the stream does not exist at first. OffsetLost when the stream was deleted, recreated, or has
    discarded the next message: call `provision`, reconcile, and read again. Rejected when filters overlap.
    """
    if isinstance(start, FromSequence) and start.sequence <= 1:
        start = FromStart()
    async with aclosing(OrderedConsumer(bus, stream, filters, start, batch).batches()) as batches:
        async for each in batches:
            yield each


async def read_durable(
    bus: Bus, stream: str, filters: Sequence[str], offset: StreamOffset | None, *, batch: int = BATCH_SIZE
) -> AsyncGenerator[Batch, None]:
    """Yield the messages after an offset, or all messages when it is None; otherwise like `read`.

    Raises: OffsetLost, also when the stream was recreated or restored since the offset was taken; StreamGone.
    """
    if offset is None:
        consumer = OrderedConsumer(bus, stream, filters, FromStart(), batch)
    else:
        start = FromSequence(offset.sequence + 1)
        consumer = OrderedConsumer(bus, stream, filters, start, batch, offset.created, offset.stored_time)
    async with aclosing(consumer.batches()) as batches:
        async for each in batches:
            yield each


async def last_per_subject(bus: Bus, stream: str, filters: Sequence[str]) -> list[Received]:
    """Return the last message of each matching subject, in stream order.

    Raises: StreamGone.
    """
    while True:
        with suppress(OffsetLost):  # the stream was recreated meanwhile: read it again
            return await _snapshot(bus, stream, filters)


async def pending(bus: Bus, stream: str, filters: Sequence[str], start: Start) -> int:
    """Return the number of stored messages that a reader starting at `start` would read.

    Raises: StreamGone, Rejected, Ambiguous.
    """
    name = consumer_prefix(bus.name, nats_inbox(bus.nc))
    config = consumer_config(name, filters, start)
    body = {"stream_name": stream, "config": config, "action": "create"}
    info = await bus.api(f"CONSUMER.CREATE.{stream}.{name}", body, ConsumerInfo)
    with suppress(BusError):
        await bus.api(f"CONSUMER.DELETE.{stream}.{name}", None, dict)
    return info.num_pending


async def message_count(bus: Bus, stream: str, subject: str) -> int:
    """Return the number of stored messages on one subject, without reading them.

    Raises: StreamGone, Rejected, Ambiguous.
    """
    body = {"subjects_filter": subject}
    info = await bus.api(f"STREAM.INFO.{stream}", body, _SubjectsInfo, LOOKUP_TIMEOUT_S)
    return info.state.subjects.get(subject, 0)


class _Subjects(msgspec.Struct, frozen=True):
    subjects: dict[str, int] = {}


class _SubjectsInfo(msgspec.Struct, frozen=True):
    state: _Subjects = _Subjects()


async def _snapshot(bus: Bus, stream: str, filters: Sequence[str]) -> list[Received]:
    found: dict[str, Received] = {}
    async with aclosing(read(bus, stream, filters, LastPerSubject())) as batches:
        async for batch in batches:
            for message in batch.messages:
                found.pop(message.subject, None)
                found[message.subject] = message
            if batch.caught_up:
                break
    return list(found.values())
