"""`bench recovery`: from the start of a process to its first commit, with a short history and with a long one.

The history is what a grid on a random walk leaves behind: reports and trades, decisions and fills, and as many steps as
the journal keeps. Engine, gateway and account publisher are the real ones; each is started anew several times. The
baseline is a Python process that only imports the engine.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import deque
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from bus import Bus, EmbeddedServer, Message, connect, provision
from engine.actor.copies import copies
from lab.bench.report import Report, machine
from lab.bench.rig import enlist, start, start_venue
from lab.bench.trading.engine import INSTRUMENT, SYMBOL, VENUE
from lab.bench.trading.step import history, step_of
from schemas import subjects
from schemas.engine.journal import Step, StreamOffset
from schemas.subjects import Stream
from schemas.venue.orders import OrderReport, Trade

SHORT = 10_000
LONG = 1_000_000
STARTS = 5
PATIENCE_S = 60.0
KEPT_STEPS = 10_000
"""No more does the journal keep of a symbol."""
FIRST_COMMITS = {
    "engine": subjects.step(VENUE, SYMBOL),
    "gateway": subjects.order_intent(VENUE, SYMBOL),
    "account": subjects.open_orders(VENUE, SYMBOL),
}
"""What each of them stores first."""


def run(short: int = SHORT, long: int = LONG, starts: int = STARTS) -> Report:
    """Measure the starts with `short` and with `long` events in the streams."""
    return asyncio.run(_run(short, long, starts))


async def _run(short: int, long: int, starts: int) -> Report:
    few, many = await _measure(short, starts), await _measure(long, starts)
    importing = statistics.median([await _import() for _ in range(starts)])
    return Report(
        name="recovery",
        machine=machine(),
        figures={
            **{f"{part}_{short}_events_s": seconds for part, seconds in few.items()},
            **{f"{part}_{long}_events_s": seconds for part, seconds in many.items()},
        },
        baselines={"importing_alone_s": importing},
        ratios={f"{part}_long_to_short": many[part] / few[part] for part in few},
    )


async def _measure(count: int, starts: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        root = Path(folder)
        async with AsyncExitStack() as stack:
            # Not synced to the disk while it is filled, which would take long.
            server = await stack.enter_async_context(EmbeddedServer(root / "bus", sync_always=False))
            bus = await stack.enter_async_context(connect(server.url, name="bench"))
            await provision(bus)
            await _fill(bus, count)
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(EmbeddedServer(root / "bus"))
            bus = await stack.enter_async_context(connect(server.url, name="bench"))
            await provision(bus)
            await enlist(bus, [INSTRUMENT])
            venue_url = await start_venue(stack, root, [INSTRUMENT])
            common = ("--bus-url", server.url)
            at_venue = (*common, "--venue-url", venue_url)
            commands = {
                "engine": ("engine", *common),
                "gateway": ("producers", "gateway", *at_venue),
                "account": ("producers", "account", *at_venue),
            }
            return {
                part: statistics.median(
                    [await _first_commit(bus, FIRST_COMMITS[part], command) for _ in range(starts)]
                )
                for part, command in commands.items()
            }


async def _fill(bus: Bus, count: int) -> None:
    """Store so many events, of which the newest steps are the journal's."""
    created = await bus.stream_created(Stream.ORDERS)
    control = StreamOffset(created=await bus.stream_created(Stream.CONTROL), sequence=0)
    steps: deque[bytes] = deque(maxlen=KEPT_STEPS)
    last: Step | None = None
    orders = stored = 0
    for event, change, state in history(ticks=sys.maxsize):
        if isinstance(event, OrderReport | Trade):
            subject = subjects.own_trade if isinstance(event, Trade) else subjects.order_report
            await bus.send(subject(VENUE, SYMBOL), event)
            orders, stored = orders + 1, stored + 1
        if change is None or state is None:
            continue
        heard = StreamOffset(created=created, sequence=orders)
        last = step_of(change, state, {Stream.ORDERS: heard, Stream.CONTROL: control}, 0)
        for copy in copies(last):
            await bus.send(copy.subject, copy.event)
            stored += 1
        steps.append(msgspec.json.encode(last))
        if stored + len(steps) >= count:
            break
    assert last is not None
    steps[-1] = msgspec.json.encode(msgspec.structs.replace(last, published_through=len(steps)))
    for step in steps:
        await bus.send(FIRST_COMMITS["engine"], msgspec.json.decode(step, type=Step))
    await bus.flush_window()


async def _first_commit(bus: Bus, subject: str, command: tuple[str, ...]) -> float:
    committed: asyncio.Queue[Message] = asyncio.Queue()
    undo = await bus.subscribe(f"live.{subject}", committed.put_nowait)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(undo)
        started = time.perf_counter()
        await start(stack, *command)
        async with asyncio.timeout(PATIENCE_S):
            await committed.get()
        return time.perf_counter() - started


async def _import() -> float:
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import engine.app")
    await process.wait()
    return time.perf_counter() - started
