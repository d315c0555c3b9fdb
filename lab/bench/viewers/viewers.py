"""`bench viewers`: what a viewer costs that just watches, and what one that stops reading costs the others.

The live server is a process on a core of its own, with candles, a ticker and orders of one symbol to show. First come
`idle` viewers: memory is the resident memory of the process, before and after, divided by them; what the kernel keeps for
sockets is not in it. Then 1000 viewers get 20 messages a second of 4 KB, which is what one core carries with room to
spare, and one of them stops reading: the age of what the others get, before and while it is thrown out, and how long
that takes. The server is asked for its viewers all the while, before as well, so that this is no difference.
"""

import asyncio
import contextlib
import json
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from bus import Bus
from lab.bench.report import Report, machine
from lab.bench.viewers.live_server import LiveServer, bus_beside, live_server, load
from liveserver.http.server import allow_many_files
from schemas import subjects
from schemas.engine.events import AlertRaised, Severity
from schemas.units import SECOND_NS, Symbol, VenueId
from schemas.venue.market import Candle, Ticker

VENUE = VenueId("bench")
SYMBOL = Symbol("BTC/USDT:USDT")
PRICE = Decimal(60000)
CANDLES = 500
VIEWERS = 1000
MESSAGES_PER_S = 20
BODY = "x" * 4000
MARKER = '"details":"'
STEADY_S = 20.0
ASK_EVERY_S = 0.2
GONE_WITHIN_S = 60.0
REST_S = 2.0
"""For what a handshake needed to be given back."""


def run(idle: int = 10_000) -> Report:
    """Measure with so many idle viewers."""
    allow_many_files()
    figures = asyncio.run(_run(idle))
    ratios = {"stalled_to_steady_p99": figures["p99_ms_while_one_stalls"] / figures["p99_ms_steady"]}
    return Report(name="viewers", machine=machine(), figures=figures, baselines={}, ratios=ratios)


async def _run(idle: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with bus_beside(Path(folder)) as bus:
            await _history(bus)
            many = ("--connections-per-address", str(idle + VIEWERS), "--connections", str(idle + VIEWERS))
            async with live_server(bus.url, *many) as server:
                memory = await _idle(server, idle)
            async with live_server(bus.url) as server:
                return memory | await _stalling(bus, server)


async def _idle(server: LiveServer, idle: int) -> dict[str, float]:
    # The first viewer loads what all share.
    async with load("lab.bench.viewers.viewers_load", server.port, 1, "/ws", MARKER):
        before = server.memory_kb()
        began = time.perf_counter()
        async with load("lab.bench.viewers.viewers_load", server.port, idle, "/ws", MARKER) as viewers:
            connected_s = time.perf_counter() - began
            await asyncio.sleep(REST_S)
            clients, after = await server.clients(), server.memory_kb()
            heard = json.loads(await viewers.ask("report"))
    assert clients == idle + 1, f"{clients} of {idle + 1} viewers are connected"
    assert not heard["lost"], f"{heard['lost']} viewers were lost"
    return {
        "idle_viewers": idle,
        "kb_per_viewer": (after - before) / idle,
        "connected_per_s": idle / connected_s,
    }


async def _stalling(bus: Bus, server: LiveServer) -> dict[str, float]:
    async with load(
        "lab.bench.viewers.viewers_load", server.port, VIEWERS, "/ws", MARKER, "stall"
    ) as viewers:
        telling = asyncio.create_task(_tell(bus), name="tell")
        try:
            await asyncio.sleep(1.0)
            await viewers.ask("forget")
            assert await _gone_within(server, STEADY_S) is None, "nobody is to be thrown out yet"
            steady = json.loads(await viewers.ask("report"))
            await viewers.ask("forget")
            await viewers.ask("stall")
            gone_s = await _gone_within(server, GONE_WITHIN_S)
            assert gone_s is not None, f"who reads nothing is still there after {GONE_WITHIN_S:g} s"
            stalled = json.loads(await viewers.ask("report"))
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
    return {
        "viewers": VIEWERS,
        "message_bytes": len(BODY),
        "messages_per_s": MESSAGES_PER_S,
        "p50_ms_steady": steady["p50_ms"],
        "p99_ms_steady": steady["p99_ms"],
        "p50_ms_while_one_stalls": stalled["p50_ms"],
        "p99_ms_while_one_stalls": stalled["p99_ms"],
        "stalled_viewer_gone_after_s": gone_s,
    }


async def _gone_within(server: LiveServer, seconds: float) -> float | None:
    """Watch for so long; return when the first viewer was gone, None when all are still there."""
    began = time.perf_counter()
    gone_s = None
    while (passed := time.perf_counter() - began) < (seconds if gone_s is None else STEADY_S):
        clients = await server.clients()
        assert clients >= VIEWERS - 1, "others were thrown out as well"
        if clients < VIEWERS and gone_s is None:
            gone_s = passed
        await asyncio.sleep(ASK_EVERY_S)
    return gone_s


async def _tell(bus: Bus) -> None:
    due = time.perf_counter()
    number = 0
    while True:
        due += 1 / MESSAGES_PER_S
        number += 1
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await bus.send(subjects.alert(VENUE, SYMBOL), _alert(number))


def _alert(number: int) -> AlertRaised:
    now = time.time_ns()
    return AlertRaised(
        venue=VENUE,
        symbol=SYMBOL,
        severity=Severity.LOW,
        code="bench",
        detail=f"{now}{BODY}",
        step=number,
        time=now,
    )


async def _history(bus: Bus) -> None:
    now = time.time_ns() // (60 * SECOND_NS) * 60 * SECOND_NS
    for number in range(CANDLES):
        candle = Candle(
            venue=VENUE,
            symbol=SYMBOL,
            interval="1m",
            open_time=now - (CANDLES - number) * 60 * SECOND_NS,
            open=PRICE,
            high=PRICE + 10,
            low=PRICE - 10,
            close=PRICE + number,
            volume=Decimal("12.5"),
            closed=True,
            time=now,
        )
        await bus.send(subjects.closed_candle(VENUE, SYMBOL, "1m"), candle)
    ticker = Ticker(venue=VENUE, symbol=SYMBOL, bid=PRICE, ask=PRICE, last=PRICE, time=now)
    await bus.store(subjects.ticker(VENUE, SYMBOL), ticker)
