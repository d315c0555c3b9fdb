"""The echo process of `bench latency`, the peer of its baseline round trips.

python -m lab.bench.trading.echo BUS_URL TICKER_SUBJECT ANSWER_SUBJECT
"""

import asyncio
import contextlib
import sys

import msgspec

from bus import Bus, Message, connect, run
from schemas.codec import decode_as
from schemas.engine.events import AlertRaised, Severity
from schemas.units import Symbol, VenueId
from schemas.venue.market import Ticker

REQUEST_SUBJECT = "bench.echo"
ANSWER = AlertRaised(
    venue=VenueId("echo"),
    symbol=Symbol("ECHO"),
    severity=Severity.LOW,
    code="echo",
    detail="",
    step=0,
    time=0,
)


async def echo(bus_url: str, ticker_subject: str, answer_subject: str) -> None:
    """Store an answer to each live ticker, with its time, and return the body of each request. Never returns."""
    async with connect(bus_url, name="echo") as bus:
        tickers: asyncio.Queue[Message] = asyncio.Queue()
        replies: set[asyncio.Task[None]] = set()
        await bus.subscribe(f"live.{ticker_subject}", tickers.put_nowait)
        await bus.subscribe(REQUEST_SUBJECT, lambda message: _reply(bus, replies, message))
        while True:
            time = decode_as((await tickers.get()).data, Ticker).time
            await bus.store(answer_subject, msgspec.structs.replace(ANSWER, time=time))


def _reply(bus: Bus, replies: set[asyncio.Task[None]], message: Message) -> None:
    task = asyncio.ensure_future(bus.publish(message.reply, message.data))
    replies.add(task)
    task.add_done_callback(replies.discard)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(run(lambda: echo(*sys.argv[1:4])))
