"""The other end of a baseline round trip: stores an answer to every message, and answers requests. No deciding."""

import asyncio
import contextlib
import sys

import msgspec

from bus import Bus, Message, connect, run
from schemas.codec import decode_as
from schemas.engine.events import AlertRaised, Severity
from schemas.units import Symbol, VenueId
from schemas.venue.market import Ticker

ANSWER = AlertRaised(
    venue=VenueId("echo"),
    symbol=Symbol("ECHO"),
    severity=Severity.LOW,
    code="echo",
    detail="",
    step=0,
    time=0,
)


async def echo(bus_url: str, heard: str, said: str) -> None:
    """Answer for ever: each message on `live.<heard>` with one stored on `said`, each request with its own body."""
    async with connect(bus_url, name="echo") as bus:
        messages: asyncio.Queue[Message] = asyncio.Queue()
        answers: set[asyncio.Task[None]] = set()
        await bus.subscribe(f"live.{heard}", messages.put_nowait)
        await bus.subscribe("bench.echo", lambda message: _answer(bus, answers, message))
        while True:
            heard_time = decode_as((await messages.get()).data, Ticker).time
            await bus.store(said, msgspec.structs.replace(ANSWER, time=heard_time))


def _answer(bus: Bus, answers: set[asyncio.Task[None]], message: Message) -> None:
    task = asyncio.ensure_future(bus.publish(message.reply, message.data))
    answers.add(task)
    task.add_done_callback(answers.discard)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(run(lambda: echo(*sys.argv[1:4])))
