"""`bench recovery`: time from process start to first commit, by length of the history.

The history is that of a grid on a random walk: reports, trades, decisions, fills, and as many steps as the journal
keeps. Engine, gateway and account publisher are the real ones; each is started several times. The baseline is a Python
process that imports the engine and exits.
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

from bus import Bus, EmbeddedServer, Message
from engine.actor.publisher import derived_events
from lab.bench.instruments import INSTRUMENT, SYMBOL, VENUE
from lab.bench.processes import bus_servers, register_symbols, start_process, start_venue
from lab.bench.report import Report, machine
from lab.bench.trading.random_walk import build_step, process_inputs
from schemas import subjects
from schemas.engine.journal import Step, StreamOffset
from schemas.subjects import Stream
from schemas.venue.orders import OrderReport, Trade

SHORT = 10_000
LONG = 1_000_000
STARTS = 5
COMMIT_TIMEOUT_S = 60.0
MAX_STEPS = 10_000
"""Number of steps that the journal keeps per symbol."""
FIRST_COMMITS = {
    "engine": subjects.step(VENUE, SYMBOL),
    "gateway": subjects.order_intent(VENUE, SYMBOL),
    "account": subjects.open_orders(VENUE, SYMBOL),
}
"""By process: the subject of the first message that it stores."""


def run(short: int = SHORT, long: int = LONG, starts: int = STARTS) -> Report:
    """Measure `starts` starts of each process with `short` and with `long` events in the streams."""
    return asyncio.run(_run(short, long, starts))


async def _run(short: int, long: int, starts: int) -> Report:
    with_short, with_long = await _measure(short, starts), await _measure(long, starts)
    import_s = statistics.median([await _time_import() for _ in range(starts)])
    return Report(
        name="recovery",
        machine=machine(),
        figures={
            **{f"{process}_{short}_events_s": seconds for process, seconds in with_short.items()},
            **{f"{process}_{long}_events_s": seconds for process, seconds in with_long.items()},
        },
        baselines={"importing_alone_s": import_s},
        ratios={
            f"{process}_long_to_short": with_long[process] / with_short[process] for process in with_short
        },
    )


async def _measure(count: int, starts: int) -> dict[str, float]:
    """Return the median seconds to the first commit by process, with `count` events in the streams."""
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        root = Path(folder)
        # Filled without syncing, which would take very long.
        async with bus_servers(EmbeddedServer(root / "bus", sync_always=False)) as bus:
            await _fill_streams(bus, count)
        async with AsyncExitStack() as stack:
            bus = await stack.enter_async_context(bus_servers(EmbeddedServer(root / "bus")))
            await register_symbols(bus, [INSTRUMENT])
            venue_url = await start_venue(stack, root, [INSTRUMENT])
            bus_option = ("--bus-url", bus.url)
            producer_options = (*bus_option, "--venue-url", venue_url)
            commands = {
                "engine": ("engine", *bus_option),
                "gateway": ("producers", "gateway", *producer_options),
                "account": ("producers", "account", *producer_options),
            }
            return {
                process: statistics.median(
                    [await _time_first_commit(bus, FIRST_COMMITS[process], command) for _ in range(starts)]
                )
                for process, command in commands.items()
            }


async def _fill_streams(bus: Bus, count: int) -> None:
    """Store about `count` events, the last `MAX_STEPS` steps among them."""
    created = await bus.stream_created(Stream.ORDERS)
    control = StreamOffset(created=await bus.stream_created(Stream.CONTROL), sequence=0)
    steps: deque[bytes] = deque(maxlen=MAX_STEPS)
    last: Step | None = None
    orders = stored = 0
    for event, change, state in process_inputs(ticks=sys.maxsize):
        if isinstance(event, OrderReport | Trade):
            subject = subjects.own_trade if isinstance(event, Trade) else subjects.order_report
            await bus.send(subject(VENUE, SYMBOL), event)
            orders, stored = orders + 1, stored + 1
        if change is None or state is None:
            continue
        order_offset = StreamOffset(created=created, sequence=orders)
        last = build_step(change, state, {Stream.ORDERS: order_offset, Stream.CONTROL: control}, 0)
        for copy in derived_events(last):
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


async def _time_first_commit(bus: Bus, subject: str, command: tuple[str, ...]) -> float:
    commits: asyncio.Queue[Message] = asyncio.Queue()
    unsubscribe = await bus.subscribe(f"live.{subject}", commits.put_nowait)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(unsubscribe)
        started = time.perf_counter()
        await start_process(stack, *command)
        async with asyncio.timeout(COMMIT_TIMEOUT_S):
            await commits.get()
        return time.perf_counter() - started


async def _time_import() -> float:
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import engine.app")
    await process.wait()
    return time.perf_counter() - started
