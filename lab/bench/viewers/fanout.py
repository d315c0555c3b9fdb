"""`bench fanout`: what one live server hands to many viewers in a second, beside what the machine can do at all.

Servers take turns on one core, the viewers are on the others: ours, whole (encoding, hub, sessions, under uvicorn beside
Litestar); raw, where asyncio writes the same bytes, made beforehand, to as many sockets with the same joining and
buffers, which is the limit; a nats-server's own WebSockets, in Go; and Litestar's own WebSocket path, one send a viewer
and message. The first two go on as soon as no viewer is blocked, the others wait by themselves. What the bus can feed in
is measured beside it: see `ingest`.
"""

import asyncio
import json
import socket
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any, cast

import uvloop
from litestar import Litestar, WebSocket, websocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from lab.bench import cores
from lab.bench.report import Report, machine
from lab.bench.viewers import ingest
from lab.bench.viewers.nats_sockets import SUBJECT, nats_sockets
from liveserver.http.app import create_app
from liveserver.http.assets import Assets
from liveserver.http.server import SEND_BUFFER, allow_many_files, serving
from liveserver.hub.hub import Hub
from liveserver.hub.replica import Replica
from liveserver.metrics import Metrics
from liveserver.protocol.frames import text_frame
from liveserver.protocol.server_messages import ErrorData, Message, MessageType, TickerData, text
from liveserver.protocol.symbol_names import Market
from liveserver.view.projection import Channel, Outgoing, Projection
from liveserver.websocket.context import Limits
from liveserver.websocket.handshake import Door
from liveserver.websocket.transport import WRITE_BUFFER, Sockets
from schemas.units import Symbol, VenueId
from schemas.venue.market import Ticker

VIEWERS = (100, 1000)
JOINED = 100
"""Messages of one tick of the event loop, in all three."""
DELIVERIES = 10_000_000
LITESTAR_DELIVERIES = 200_000
NATS_DELIVERIES = 3_000_000
ROUNDS = 5
MARKET = Market(VenueId("sim"), Symbol("BTC/USDT:USDT"))
PRICE = Decimal(60000)
BEGIN = Message(MessageType.ERROR, ErrorData(error="begin"))

Tell = Callable[[int], Coroutine[Any, Any, None]]
"""Sends so many messages to every viewer, the first of all with BEGIN before it."""
Server = Callable[[int], AbstractAsyncContextManager[tuple[int, Tell]]]
"""Waits for so many viewers; yields the port and how to tell them something."""


def run() -> Report:
    """Measure all servers with few and with many viewers."""
    allow_many_files()
    figures: dict[str, float] = {"frame_bytes": len(text_frame(text(_ticker(0)))), "joined": JOINED}
    baselines: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for viewers in VIEWERS:
        own, raw = _take_turns(viewers)
        litestar = _rate(_litestar, viewers, LITESTAR_DELIVERIES)
        nats = _rate(_nats, viewers, NATS_DELIVERIES, kind="nats")
        figures[f"viewers_{viewers}_deliveries_per_s"] = statistics.median(own)
        baselines[f"raw_{viewers}_deliveries_per_s"] = statistics.median(raw)
        baselines[f"nats_sockets_{viewers}_deliveries_per_s"] = nats
        baselines[f"litestar_{viewers}_deliveries_per_s"] = litestar
        # Neighbours disturb single rounds: each is compared with the raw one right beside it.
        to_raw = statistics.median(a / b for a, b in zip(own, raw, strict=True))
        ratios[f"to_raw_limit_{viewers}"] = to_raw
        ratios[f"to_nats_sockets_{viewers}"] = statistics.median(own) / nats
        ratios[f"to_litestar_{viewers}"] = statistics.median(own) / litestar
    ratios["to_raw_limit"] = ratios[f"to_raw_limit_{VIEWERS[-1]}"]
    fed = ingest.run()
    figures["ingest_messages_per_s"] = fed.figures["messages_per_s"]
    return Report(name="fanout", machine=machine(), figures=figures, baselines=baselines, ratios=ratios)


def _take_turns(viewers: int) -> tuple[list[float], list[float]]:
    own, raw = [], []
    for _ in range(ROUNDS):
        own.append(_rate(_own, viewers, DELIVERIES))
        raw.append(_rate(_raw, viewers, DELIVERIES))
    return own, raw


def _rate(server: Server, viewers: int, deliveries: int, kind: str = "plain") -> float:
    messages = deliveries // viewers // JOINED * JOINED
    is_ours = kind == "plain"
    with cores.on(cores.SERVER if is_ours else cores.OTHERS):
        return messages * viewers / uvloop.run(_measure(server, viewers, messages, kind))


async def _measure(server: Server, viewers: int, messages: int, kind: str) -> float:
    said = text(_ticker(0))
    before = b"MSG %s 1 %d\r\n" % (SUBJECT, len(said)) if kind == "nats" else text_frame(said)[: -len(said)]
    size = len(before) + len(said) + (len(b"\r\n") if kind == "nats" else 0)
    digit = len(before) + said.index(b'"last":"') + len(b'"last":"') + 9
    async with server(viewers) as (port, tell):
        numbers = (port, viewers, messages, size, digit)
        with cores.on(cores.OTHERS):
            load = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "lab.bench.viewers.fanout_load",
                kind,
                *map(str, numbers),
                stdout=asyncio.subprocess.PIPE,
            )
        telling = asyncio.create_task(tell(messages))
        seen = json.loads((await load.communicate())[0])
        await telling
    assert not seen["faults"], f"{seen['faults']} faults: what was measured is not what was sent"
    return float(seen["seconds"])


@asynccontextmanager
async def _own(viewers: int) -> AsyncIterator[tuple[int, Tell]]:
    metrics = Metrics()
    hub = Hub(metrics, asyncio.get_running_loop().call_soon)
    replica = Replica(name="bench", metrics=metrics, hub=hub)
    sockets = Sockets(replica, Door(frozenset()), Limits())
    projection = Projection()
    projection.apply(_event(), 1)
    hub.show(projection)
    tickers = [Outgoing(Channel(MARKET), _ticker(i)) for i in range(JOINED)]

    async def tell(messages: int) -> None:
        await _until(lambda: len(hub) == viewers)
        hub.broadcast(BEGIN)
        for _ in range(0, messages, JOINED):
            hub.publish(tickers)
            await asyncio.sleep(0)
            await _until(lambda: not sockets.is_congested)

    async with serving(create_app(replica, Assets()), sockets.protocol(), "127.0.0.1", 0) as served:
        yield int(served.address.rpartition(":")[2]), tell


class _Raw(asyncio.Protocol):
    """A socket that is written to, and nothing else."""

    def __init__(self, everybody: "list[_Raw]") -> None:
        self.everybody = everybody
        self.is_blocked = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # that of uvloop only looks like one
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self.transport = transport
        self.everybody.append(self)

    def pause_writing(self) -> None:
        self.is_blocked = True

    def resume_writing(self) -> None:
        self.is_blocked = False


@asynccontextmanager
async def _raw(viewers: int) -> AsyncIterator[tuple[int, Tell]]:
    everybody: list[_Raw] = []
    joined = b"".join(text_frame(text(_ticker(i))) for i in range(JOINED))

    async def tell(messages: int) -> None:
        await _until(lambda: len(everybody) == viewers)
        _write_all(everybody, text_frame(text(BEGIN)))
        for _ in range(0, messages, JOINED):
            _write_all(everybody, joined)
            await asyncio.sleep(0)
            await _until(lambda: not any(each.is_blocked for each in everybody))

    listener = socket.create_server(("127.0.0.1", 0), backlog=viewers)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    async with await asyncio.get_running_loop().create_server(lambda: _Raw(everybody), sock=listener):
        yield listener.getsockname()[1], tell


def _write_all(everybody: list[_Raw], data: bytes) -> None:
    for each in everybody:
        each.transport.write(data)


@asynccontextmanager
async def _litestar(viewers: int) -> AsyncIterator[tuple[int, Tell]]:
    everybody: list[WebSocket[Any, Any, Any]] = []
    over = asyncio.Event()

    @websocket("/ws")
    async def watch(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        everybody.append(socket)
        await over.wait()

    async def tell(messages: int) -> None:
        await _until(lambda: len(everybody) == viewers)
        for message in (BEGIN, *(_ticker(i) for i in range(messages))):
            said = text(message).decode()
            for each in everybody:
                await each.send_text(said)
        over.set()

    app = Litestar([watch], openapi_config=None, logging_config=None)
    async with serving(app, WebSocketsSansIOProtocol, "127.0.0.1", 0) as served:
        yield int(served.address.rpartition(":")[2]), tell


@asynccontextmanager
async def _nats(viewers: int) -> AsyncIterator[tuple[int, Tell]]:
    async with nats_sockets() as (port, publisher):
        joined = [text(_ticker(i)) for i in range(JOINED)]

        async def tell(messages: int) -> None:
            await publisher.everybody()
            await publisher.publish([text(BEGIN)])
            for _ in range(0, messages, JOINED):
                await publisher.publish(joined)
            await publisher.flush()

        yield port, tell


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - the loop's turns are what is measured
        await asyncio.sleep(0)


def _ticker(number: int) -> Message:
    data = TickerData(
        symbol="BTCUSDT",
        venue=MARKET.venue,
        market=MARKET.symbol,
        bid="60000.1",
        ask="60000.3",
        last=f"{number:010d}",
        time=1_700_000_000,
        time_ms=1_700_000_000_000,
    )
    return Message(MessageType.TICKER, data)


def _event() -> Ticker:
    return Ticker(venue=MARKET.venue, symbol=MARKET.symbol, bid=PRICE, ask=PRICE, last=PRICE, time=0)
