"""`opensqt tap SUBJECT`: what goes over the bus, readable; from now on, or from what the streams kept."""

import asyncio
import os
import sys
import time
from contextlib import aclosing

import msgspec

from bus import Bus, FromTime, LastPerSubject, Message, OffsetLost, StreamGone, read
from cli.commands.status import reached
from cli.errors import CommandError
from cli.inspect.event_lines import line
from schemas.subjects import Stream
from schemas.units import DurationNs

STREAM_OF = {
    "market": Stream.MARKET,
    "candle": Stream.CANDLES,
    "order": Stream.ORDERS,
    "account": Stream.ACCOUNT,
    "journal": Stream.JOURNAL,
    "engine": Stream.ENGINE,
    "control": Stream.CONTROL,
}
"""By a subject's first token."""


class Tap(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown, and how."""

    subject: str
    raw: bool = False
    since: DurationNs | None = None
    last: bool = False


async def tap(url: str, wanted: Tap) -> int:
    """Print messages until interrupted."""
    async with reached(url, "tap") as bus:
        try:
            if wanted.last or wanted.since is not None:
                await _from_stream(bus, wanted)
            else:
                await _from_now_on(bus, wanted)
        except BrokenPipeError:
            # The reader has seen enough (`| head`); what is left in the buffer is nobody's.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


async def _from_now_on(bus: Bus, wanted: Tap) -> None:
    heard: asyncio.Queue[tuple[Message, int]] = asyncio.Queue()
    unsubscribe = await bus.subscribe(
        wanted.subject, lambda message: heard.put_nowait((message, time.time_ns()))
    )
    try:
        while True:
            message, time_ns = await heard.get()
            show(wanted, message.subject, message.data, time_ns)
    finally:
        await unsubscribe()


async def _from_stream(bus: Bus, wanted: Tap) -> None:
    stream = STREAM_OF.get(wanted.subject.partition(".")[0])
    if stream is None:
        known = ", ".join(f"{token}.>" for token in STREAM_OF)
        raise CommandError(f"--since and --last need a subject that a stream keeps, such as {known}")
    start = LastPerSubject() if wanted.since is None else FromTime(time.time_ns() - wanted.since)
    try:
        async with aclosing(read(bus, stream, [wanted.subject], start)) as batches:
            async for batch in batches:
                for received in batch.messages:
                    show(wanted, received.subject, received.data, received.time_ns)
    except (OffsetLost, StreamGone) as error:
        raise CommandError(f"the stream {stream} is not there: {error}") from error


def show(wanted: Tap, subject: str, data: bytes, time_ns: int) -> None:
    """Print one message."""
    if wanted.raw:
        text = f"{subject} {data.decode('utf-8', 'backslashreplace')}"
    else:
        text = line(subject, data, time_ns, is_coloured=sys.stdout.isatty())
    print(text, flush=True)
