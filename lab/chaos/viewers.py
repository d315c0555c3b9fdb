"""Test of the live servers: kill them, and the bus, under many viewers that record all events.

After its first snapshot, each viewer must receive every durable event of its topics once and in order, without another
snapshot. The expected events are read from the streams at the end, without the live server's code.
"""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bus import Bus, EmbeddedServer, FromStart, connect, nkey_credentials, provision, read, write_context
from cli.errors import CommandError
from cli.stack.ports import find_free_port
from lab.chaos.load import EventGenerator, Market, markets
from lab.chaos.viewer_clients import Viewer, ViewerPool
from schemas.subjects import ALL, Stream
from schemas.venue.orders import CancelRejected

NOT_SHOWN = frozenset({CancelRejected.__name__})
"""Schemas of messages on these subjects that the page does not show."""
VIEWER_SUBJECTS: dict[Stream, tuple[str, ...]] = {
    Stream.CANDLES: ("candle.>",),
    Stream.ORDERS: ("order.*.*.report", "order.*.*.trade"),
    Stream.ENGINE: ("engine.*.*.fill", "engine.*.*.risk", "engine.*.*.reconciliation", "engine.*.*.alert"),
    Stream.ALERTS: ("alert.*.*",),
    Stream.CONTROL: ("control.*.*.result",),
    Stream.JOURNAL: ("journal.*.*.grid",),
}
"""The durable subjects that a viewer of a symbol must receive."""

CATCH_UP_TIMEOUT_S = 60.0
"""Time after the last event for every viewer to receive it; what is missing then is a violation."""
FIRST_SNAPSHOT_TIMEOUT_S = 30.0
DOWN_S = 0.5
"""Time between a kill and the restart."""
MAX_SHOWN = 10
"""Violations printed, and sequences listed in one."""


@dataclass(frozen=True, kw_only=True)
class ViewerTestSettings:
    """The size of a test and its faults."""

    viewers: int = 1000
    replicas: int = 3
    seconds: float = 60.0
    every_s: float = 3.0
    """Time from a restart to the next kill."""
    kills_bus: bool = False
    """Whether every third kill hits the bus server."""
    symbols: int = 20
    events_per_s: float = 100.0
    """Durable events; a ticker is stored with each."""
    seed: int = 1


@dataclass(kw_only=True)
class ViewerTestResult:
    """Counts of a test, and its violations."""

    kills: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    resumed: int = 0
    """Number of times a viewer resumed."""
    stored: int = 0
    """Durable events in the streams."""
    received: int = 0
    """Durable events received, summed over all viewers."""
    violations: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.violations


class LiveServerProcess:
    """A live server process that can be killed and started again on the same port."""

    def __init__(self, name: str, bus_context: Path, log: Path) -> None:
        self.name = name
        self.port = find_free_port()
        self._bus_context = bus_context
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "liveserver",
                f"--bus-context={self._bus_context}",
                f"--http-port={self.port}",
                f"--replica={self.name}",
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    async def kill(self) -> None:
        """Kill the process if it runs, and wait until it has exited."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


async def run_viewer_test(
    settings: ViewerTestSettings, data_dir: Path, progress: Callable[[str], None]
) -> ViewerTestResult:
    """Run a test and return the result; `progress` receives one line of text per event.

    Raises: CommandError when some viewers receive no snapshot after the start.
    """
    result = ViewerTestResult()
    rng = random.Random(settings.seed)
    server = EmbeddedServer(
        data_dir / "bus", credentials=nkey_credentials(data_dir / "bus.nk"), sync_always=False
    )
    async with AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop)
        bus = await stack.enter_async_context(connect(server.context, name="verify-viewers"))
        await provision(bus)
        context = data_dir / "bus-context.json"
        write_context(context, server.context)
        replicas = [
            LiveServerProcess(f"replica-{i}", context, data_dir / f"replica-{i}.log")
            for i in range(settings.replicas)
        ]
        for replica in replicas:
            await replica.start()
            stack.push_async_callback(replica.kill)
        all_markets = markets(settings.symbols)
        generator = EventGenerator(bus, all_markets, settings.events_per_s, rng)
        await generator.publish_tickers()
        pool = ViewerPool([f"127.0.0.1:{replica.port}" for replica in replicas], settings.seed)
        viewers = [pool.add_viewer(_topics(i, all_markets)) for i in range(settings.viewers)]
        async with _running(generator, pool):
            await _wait_for_snapshots(pool, FIRST_SNAPSHOT_TIMEOUT_S)
            progress(
                f"{settings.viewers} viewers of {settings.symbols} symbols are connected to"
                f" {settings.replicas} live servers"
            )
            await _inject_faults(settings, replicas, server, result, progress)
            generator.stop()
            await generator.wait_stopped()
            expected = await stored_events(bus)
            await _wait_for_last_events(pool, expected)
        result.connections, result.resumed = pool.connections, pool.resumed
        result.stored = sum(len(events) for events in expected.values())
        result.received = sum(viewer.received for viewer in viewers)
        result.violations = [*pool.differences, *violations(viewers, expected)]
    return result


StoredEvents = dict[str, list[tuple[int, str]]]
"""By stream, in stream order: sequence and symbol token of each durable event."""


async def stored_events(bus: Bus) -> StoredEvents:
    """Return the durable events in the streams that concern a symbol: viewers get no others."""
    events: StoredEvents = {}
    for stream, filters in VIEWER_SUBJECTS.items():
        of_stream: list[tuple[int, str]] = []
        async with aclosing(read(bus, stream, filters, FromStart())) as batches:
            async for batch in batches:
                shown = (each for each in batch.messages if each.headers.get("schema") not in NOT_SHOWN)
                found = [(each.sequence, each.subject.split(".")[2]) for each in shown]
                of_stream += [(sequence, token) for sequence, token in found if token != ALL]
                if batch.caught_up:
                    break
        events[stream] = of_stream
    return events


def violations(viewers: list[Viewer], expected: StoredEvents) -> list[str]:
    """Return how the received events differ from the stored ones: one line per viewer and stream."""
    found: list[str] = []
    for viewer in viewers:
        found += [f"{viewer.name}: {error}" for error in viewer.errors]
        if viewer.snapshots != ["first"]:
            reasons = ", ".join(viewer.snapshots) or "none"
            found.append(f"{viewer.name}: snapshots received: {reasons}; expected: first")
            continue
        for stream, events in expected.items():
            snapshot_sequence = viewer.snapshot_sequences.get(stream, 0)
            wanted = [seq for seq, token in events if seq > snapshot_sequence and viewer.subscribes_to(token)]
            if wanted != (received := viewer.sequences[stream]):
                found.append(f"{viewer.name}: {stream}: {_difference(wanted, received)}")
    return found


def _difference(wanted: list[int], received: list[int]) -> str:
    missing = sorted(set(wanted) - set(received))
    unexpected = sorted(set(received) - set(wanted))
    duplicates = sorted(seq for seq, count in Counter(received).items() if count > 1)
    parts = [
        f"{name} {', '.join(map(str, each[:MAX_SHOWN]))}{'...' if len(each) > MAX_SHOWN else ''}"
        for name, each in (("missing", missing), ("duplicate", duplicates), ("unexpected", unexpected))
        if each
    ]
    return "; ".join(parts) or "out of order"


def _topics(i: int, all_markets: list[Market]) -> list[Market]:
    """Return the topics of viewer `i`: all symbols (an empty list) for 1 in 100, else three or one."""
    if i % 100 == 0:
        return []
    count = 3 if i % 10 == 5 else 1
    return [all_markets[(i + step) % len(all_markets)] for step in range(count)]


@asynccontextmanager
async def _running(generator: EventGenerator, pool: ViewerPool) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(generator.run()), asyncio.create_task(pool.run())]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _inject_faults(
    settings: ViewerTestSettings,
    replicas: list[LiveServerProcess],
    server: EmbeddedServer,
    result: ViewerTestResult,
    progress: Callable[[str], None],
) -> None:
    end = time.monotonic() + settings.seconds
    number = 0
    while time.monotonic() + settings.every_s < end:
        await asyncio.sleep(settings.every_s)
        number += 1
        if settings.kills_bus and number % 3 == 0:
            result.kills["bus"] += 1
            server.kill()
            await server.wait()
            await asyncio.sleep(DOWN_S)
            await server.start()
        else:
            replica = replicas[number % len(replicas)]
            result.kills["live server"] += 1
            await replica.kill()
            await asyncio.sleep(DOWN_S)
            await replica.start()
        if number % 5 == 0:
            progress(f"{number} kills")


async def _wait_for_snapshots(pool: ViewerPool, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await pool.wait_snapshots()
    except TimeoutError:
        raise CommandError(
            f"not every viewer received a snapshot within {timeout_s:g} s;"
            " see the live servers' logs (replica-*.log)"
        ) from None


async def _wait_for_last_events(pool: ViewerPool, expected: StoredEvents) -> None:
    last = {stream: events[-1][0] if events else 0 for stream, events in expected.items()}
    with suppress(TimeoutError):
        async with asyncio.timeout(CATCH_UP_TIMEOUT_S):
            await pool.wait_cursors(last)
