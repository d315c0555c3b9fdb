"""`bench fanout`: deliveries per second to many viewers, beside other servers.

Each server runs on one core, one after the other; the viewers run on the others:

- the live server, complete: encoding, hub and sessions, under uvicorn beside Litestar;
- raw: asyncio writes the same bytes, prepared beforehand, to the same number of sockets, in the same batches and with the
  same buffer sizes, which is the upper limit;
- the WebSocket listener of a nats-server, in Go;
- Litestar's own WebSockets, one send per viewer and message.

The first two send the next batch as soon as no viewer is blocked; the others wait by themselves. The rate at which the
live server reads from the bus is measured by `ingest`.
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

from lab.bench import cpu
from lab.bench.report import Report, machine
from lab.bench.viewers import ingest
from lab.bench.viewers.nats_sockets import SUBJECT, nats_sockets
from liveserver.http.app import create_app
from liveserver.http.assets import Assets
from liveserver.http.server import SEND_BUFFER, listen, raise_open_file_limit, serving
from liveserver.hub.hub import Hub
from liveserver.hub.replica import Replica
from liveserver.metrics import Metrics
from liveserver.protocol.encoding import text_frame
from liveserver.protocol.server_messages import Message, MessageType, TickerData, encode_message
from liveserver.protocol.session_messages import ErrorData
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view.projection import Outgoing, Projection
from liveserver.websocket.context import Limits
from liveserver.websocket.handshake import HandshakePolicy
from liveserver.websocket.transport import WRITE_BUFFER, WebSocketServer
from schemas.units import Symbol, VenueId
from schemas.venue.market import Ticker

VIEWERS = (100, 1000)
"""Numbers of viewers that are measured."""
JOINED = 100
"""Messages per batch, which is sent in one iteration of the event loop."""
DELIVERIES = 10_000_000
"""Messages times viewers in one round of the live server and of raw writes."""
LITESTAR_DELIVERIES = 200_000
NATS_DELIVERIES = 3_000_000
ROUNDS = 5
"""Rounds of the live server, alternating with rounds of raw writes."""
MARKET = Market(VenueId("sim"), Symbol("BTC/USDT:USDT"))
PRICE = Decimal(60000)
BEGIN = Message(MessageType.ERROR, ErrorData(error="begin"))

Send = Callable[[int], Coroutine[Any, Any, None]]
"""Waits for the viewers, then sends BEGIN and a number of messages to each."""
Server = Callable[[int], AbstractAsyncContextManager[tuple[int, Send]]]
"""Runs a server for a number of viewers; yields its port and its `Send`."""


def run() -> Report:
    """Measure all servers with each number of viewers."""
    raise_open_file_limit()
    figures: dict[str, float] = {"frame_bytes": len(text_frame(encode_message(_ticker(0)))), "joined": JOINED}
    baselines: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for viewers in VIEWERS:
        own, raw = _alternate(viewers)
        litestar = _rate(_litestar, viewers, LITESTAR_DELIVERIES)
        nats = _rate(_nats, viewers, NATS_DELIVERIES, kind="nats")
        figures[f"viewers_{viewers}_deliveries_per_s"] = statistics.median(own)
        baselines[f"raw_{viewers}_deliveries_per_s"] = statistics.median(raw)
        baselines[f"nats_sockets_{viewers}_deliveries_per_s"] = nats
        baselines[f"litestar_{viewers}_deliveries_per_s"] = litestar
        # Other load on the machine disturbs single rounds: each is compared with the raw round next to it.
        to_raw = statistics.median(a / b for a, b in zip(own, raw, strict=True))
        ratios[f"to_raw_limit_{viewers}"] = to_raw
        ratios[f"to_nats_sockets_{viewers}"] = statistics.median(own) / nats
        ratios[f"to_litestar_{viewers}"] = statistics.median(own) / litestar
    ratios["to_raw_limit"] = ratios[f"to_raw_limit_{VIEWERS[-1]}"]
    figures["ingest_messages_per_s"] = ingest.run().figures["messages_per_s"]
    return Report(name="fanout", machine=machine(), figures=figures, baselines=baselines, ratios=ratios)


def _alternate(viewers: int) -> tuple[list[float], list[float]]:
    """Return the rates of alternating rounds of the live server and of raw writes."""
    own, raw = [], []
    for _ in range(ROUNDS):
        own.append(_rate(_own, viewers, DELIVERIES))
        raw.append(_rate(_raw, viewers, DELIVERIES))
    return own, raw


def _rate(server: Server, viewers: int, deliveries: int, kind: str = "plain") -> float:
    """Return deliveries per second. A `plain` server runs in this process, `nats` is a process of its own."""
    messages = deliveries // viewers // JOINED * JOINED
    cores = cpu.SERVER_CORES if kind == "plain" else cpu.OTHER_CORES
    with cpu.pinned_to(cores):
        return messages * viewers / uvloop.run(_measure(server, viewers, messages, kind))


async def _measure(server: Server, viewers: int, messages: int, kind: str) -> float:
    """Return the seconds from the first message at the first viewer to the last at the last."""
    body = encode_message(_ticker(0))
    header = b"MSG %s 1 %d\r\n" % (SUBJECT, len(body)) if kind == "nats" else text_frame(body)[: -len(body)]
    size = len(header) + len(body) + (len(b"\r\n") if kind == "nats" else 0)
    digit = len(header) + body.index(b'"last":"') + len(b'"last":"') + 9
    async with server(viewers) as (port, send):
        numbers = (port, viewers, messages, size, digit)
        with cpu.pinned_to(cpu.OTHER_CORES):
            load = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "lab.bench.viewers.fanout_load",
                kind,
                *map(str, numbers),
                stdout=asyncio.subprocess.PIPE,
            )
        sending = asyncio.create_task(send(messages))
        received = json.loads((await load.communicate())[0])
        await sending
    assert not received["faults"], f"{received['faults']} reads did not hold the messages sent, in order"
    return float(received["seconds"])


@asynccontextmanager
async def _own(viewers: int) -> AsyncIterator[tuple[int, Send]]:
    metrics = Metrics()
    hub = Hub(metrics, asyncio.get_running_loop().call_soon)
    replica = Replica(name="bench", metrics=metrics, hub=hub)
    sockets = WebSocketServer(replica, HandshakePolicy(frozenset()), Limits())
    projection = Projection()
    projection.apply(_event(), 1)
    hub.set_projection(projection)
    tickers = [Outgoing(Channel(MARKET), _ticker(i)) for i in range(JOINED)]

    async def send(messages: int) -> None:
        await _until(lambda: len(hub) == viewers)
        hub.broadcast(BEGIN)
        for _ in range(0, messages, JOINED):
            hub.publish(tickers)
            await asyncio.sleep(0)
            await _until(lambda: not sockets.is_congested)

    async with serving(create_app(replica, Assets()), sockets.protocol(), listen("127.0.0.1", 0)) as served:
        yield int(served.address.rpartition(":")[2]), send


class _RawSocket(asyncio.Protocol):
    """A socket that is only written to; it knows whether its write buffer is full."""

    def __init__(self, sockets: "list[_RawSocket]") -> None:
        self._sockets = sockets
        self.is_blocked = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from it
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self.transport = transport
        self._sockets.append(self)

    def pause_writing(self) -> None:
        self.is_blocked = True

    def resume_writing(self) -> None:
        self.is_blocked = False


@asynccontextmanager
async def _raw(viewers: int) -> AsyncIterator[tuple[int, Send]]:
    sockets: list[_RawSocket] = []
    joined = b"".join(text_frame(encode_message(_ticker(i))) for i in range(JOINED))

    async def send(messages: int) -> None:
        await _until(lambda: len(sockets) == viewers)
        _write_all(sockets, text_frame(encode_message(BEGIN)))
        for _ in range(0, messages, JOINED):
            _write_all(sockets, joined)
            await asyncio.sleep(0)
            await _until(lambda: not any(each.is_blocked for each in sockets))

    listener = socket.create_server(("127.0.0.1", 0), backlog=viewers)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    async with await asyncio.get_running_loop().create_server(lambda: _RawSocket(sockets), sock=listener):
        yield listener.getsockname()[1], send


def _write_all(sockets: list[_RawSocket], data: bytes) -> None:
    for each in sockets:
        assert each.transport is not None, "a socket is listed once connected"
        each.transport.write(data)


@asynccontextmanager
async def _litestar(viewers: int) -> AsyncIterator[tuple[int, Send]]:
    sockets: list[WebSocket[Any, Any, Any]] = []
    done = asyncio.Event()

    @websocket("/ws")
    async def watch(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        sockets.append(socket)
        await done.wait()

    async def send(messages: int) -> None:
        await _until(lambda: len(sockets) == viewers)
        for message in (BEGIN, *(_ticker(i) for i in range(messages))):
            body = encode_message(message).decode()
            for each in sockets:
                await each.send_text(body)
        done.set()

    app = Litestar([watch], openapi_config=None, logging_config=None)
    async with serving(app, WebSocketsSansIOProtocol, listen("127.0.0.1", 0)) as served:
        yield int(served.address.rpartition(":")[2]), send


@asynccontextmanager
async def _nats(viewers: int) -> AsyncIterator[tuple[int, Send]]:
    async with nats_sockets() as (port, publisher):
        joined = [encode_message(_ticker(i)) for i in range(JOINED)]

        async def send(messages: int) -> None:
            await publisher.wait_subscribed()
            await publisher.publish([encode_message(BEGIN)])
            for _ in range(0, messages, JOINED):
                await publisher.publish(joined)
            await publisher.flush()

        yield port, send


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - measured in turns of the event loop
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
