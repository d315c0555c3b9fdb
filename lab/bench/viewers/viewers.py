"""`bench viewers`: memory per idle viewer, and the effect of a stalled viewer on the others.

The live server is a process on a core of its own, with candles, a ticker and orders of one symbol. First `idle` viewers
connect: the growth of the process's resident memory divided by their number is the memory per viewer; the kernel's socket
buffers are not in it. Then 1000 viewers receive 20 messages of 4 KB per second, well below the capacity of one core, and
one of them stops reading: measured are the age of the messages at the others, before and until it is disconnected, and
how long that takes. The number of viewers is polled all the time, before as well, so that polling does not distort the
comparison.
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
from lab.bench.viewers.live_server import LiveServer, live_server, load_process, pinned_bus
from liveserver.http.server import raise_open_file_limit
from schemas import subjects
from schemas.engine.events import AlertRaised, Severity
from schemas.units import SECOND_NS, Symbol, VenueId
from schemas.venue.market import Candle, Ticker

VENUE = VenueId("bench")
SYMBOL = Symbol("BTC/USDT:USDT")
PRICE = Decimal(60000)
CANDLES = 500
LOAD = "lab.bench.viewers.viewers_load"
VIEWERS = 1000
MESSAGES_PER_S = 20
BODY = "x" * 4000
MARKER = '"details":"'
"""The bytes before a message's time of publication."""
STEADY_S = 20.0
POLL_S = 0.2
DISCONNECT_TIMEOUT_S = 60.0
RELEASE_S = 2.0
"""Time for the server to release the memory of the handshakes."""


def run(idle: int = 10_000) -> Report:
    """Measure with `idle` idle viewers."""
    raise_open_file_limit()
    figures = asyncio.run(_run(idle))
    ratios = {"stalled_to_steady_p99": figures["p99_ms_while_one_stalls"] / figures["p99_ms_steady"]}
    return Report(name="viewers", machine=machine(), figures=figures, baselines={}, ratios=ratios)


async def _run(idle: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with pinned_bus(Path(folder)) as bus:
            await _store_market_data(bus)
            limit = str(idle + VIEWERS)
            limits = ("--connections-per-address", limit, "--connections", limit)
            async with live_server(bus.url, *limits) as server:
                memory = await _measure_idle(server, idle)
            async with live_server(bus.url) as server:
                return memory | await _measure_stall(bus, server)


async def _measure_idle(server: LiveServer, idle: int) -> dict[str, float]:
    # The first viewer makes the server allocate what all viewers share.
    async with load_process(LOAD, server.port, 1, "/ws", MARKER):
        memory_before_kb = server.memory_kb()
        started = time.perf_counter()
        async with load_process(LOAD, server.port, idle, "/ws", MARKER) as load:
            connect_s = time.perf_counter() - started
            await asyncio.sleep(RELEASE_S)
            clients, memory_after_kb = await server.client_count(), server.memory_kb()
            received = json.loads(await load.request("report"))
    assert clients == idle + 1, f"{clients} of {idle + 1} viewers are connected"
    assert not received["lost"], f"{received['lost']} viewers lost their connection"
    return {
        "idle_viewers": idle,
        "kb_per_viewer": (memory_after_kb - memory_before_kb) / idle,
        "connected_per_s": idle / connect_s,
    }


async def _measure_stall(bus: Bus, server: LiveServer) -> dict[str, float]:
    async with load_process(LOAD, server.port, VIEWERS, "/ws", MARKER, "stall") as load:
        publishing = asyncio.create_task(_publish_steadily(bus), name="publish")
        try:
            await asyncio.sleep(1.0)
            await load.request("reset")
            assert await _wait_disconnect(server, STEADY_S) is None, (
                "a viewer was disconnected before the stall"
            )
            steady = json.loads(await load.request("report"))
            await load.request("reset")
            await load.request("stall")
            disconnect_s = await _wait_disconnect(server, DISCONNECT_TIMEOUT_S)
            assert disconnect_s is not None, (
                f"the stalled viewer is still connected after {DISCONNECT_TIMEOUT_S:g} s"
            )
            stalled = json.loads(await load.request("report"))
        finally:
            publishing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await publishing
    return {
        "viewers": VIEWERS,
        "message_bytes": len(BODY),
        "messages_per_s": MESSAGES_PER_S,
        "p50_ms_steady": steady["p50_ms"],
        "p99_ms_steady": steady["p99_ms"],
        "p50_ms_while_one_stalls": stalled["p50_ms"],
        "p99_ms_while_one_stalls": stalled["p99_ms"],
        "stalled_viewer_gone_after_s": disconnect_s,
    }


async def _wait_disconnect(server: LiveServer, timeout_s: float) -> float | None:
    """Return the seconds until a viewer was disconnected, None when none was within the time-out.

    After a disconnection, waits until `STEADY_S` have passed in all.
    """
    started = time.perf_counter()
    disconnect_s = None
    while (elapsed_s := time.perf_counter() - started) < (timeout_s if disconnect_s is None else STEADY_S):
        clients = await server.client_count()
        assert clients >= VIEWERS - 1, "more viewers than the stalled one were disconnected"
        if clients < VIEWERS and disconnect_s is None:
            disconnect_s = elapsed_s
        await asyncio.sleep(POLL_S)
    return disconnect_s


async def _publish_steadily(bus: Bus) -> None:
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


async def _store_market_data(bus: Bus) -> None:
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
