"""Viewers who count: live servers are killed, and the bus, and each viewer must have heard every event once and in order.

What they have to have heard is read from the streams themselves at the end, and not by the live server's code.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from bus import Bus, EmbeddedServer, FromStart, connect, provision, read
from cli.errors import CommandError
from cli.stack.ports import any_free
from lab.chaos.load import Market, Speaker, markets
from lab.chaos.viewer_clients import Everybody, Viewer
from schemas.subjects import Stream

TOLD: dict[Stream, tuple[str, ...]] = {
    Stream.CANDLES: ("candle.>",),
    Stream.ORDERS: ("order.*.*.report", "order.*.*.trade"),
    Stream.ENGINE: ("engine.*.*.fill", "engine.*.*.risk", "engine.*.*.reconciliation", "engine.*.*.alert"),
    Stream.CONTROL: ("control.*.*.result",),
    Stream.JOURNAL: ("journal.*.*.grid",),
}
"""What every viewer of a symbol has to hear."""

QUIET_WITHIN_S = 60.0
READY_WITHIN_S = 30.0
DOWN_S = 0.5
"""How long what was killed is away."""
LISTED = 10


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is tried."""

    viewers: int = 1000
    replicas: int = 3
    seconds: float = 60.0
    every_s: float = 3.0
    """Between two kills."""
    kills_bus: bool = False
    """Every third blow hits the bus's server."""
    symbols: int = 20
    events_per_s: float = 100.0
    seed: int = 1


@dataclass(kw_only=True)
class Outcome:
    """What came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    resumed: int = 0
    stored: int = 0
    """Events that viewers of all symbols had to hear."""
    heard: int = 0
    contradictions: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.contradictions


class Replica:
    """A live server's process, started again whenever it was killed."""

    def __init__(self, name: str, bus_url: str, log: Path) -> None:
        self.name = name
        self.port = any_free()
        self._bus_url = bus_url
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "liveserver",
                f"--bus-url={self._bus_url}",
                f"--http-port={self.port}",
                f"--replica={self.name}",
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    async def kill(self) -> None:
        """Kill it, if it runs, and wait until it is gone."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


async def experiment(trial: Trial, data_dir: Path, say: Callable[[str], None]) -> Outcome:
    """Run a trial and return what came of it.

    Raises: CommandError when it cannot run.
    """
    outcome = Outcome()
    rng = random.Random(trial.seed)
    server = EmbeddedServer(data_dir / "bus", sync_always=False)
    async with AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop)
        bus = await stack.enter_async_context(connect(server.url, name="verify-viewers"))
        await provision(bus)
        replicas = [
            Replica(f"replica-{i}", server.url, data_dir / f"replica-{i}.log") for i in range(trial.replicas)
        ]
        for replica in replicas:
            await replica.start()
            stack.push_async_callback(replica.kill)
        known = markets(trial.symbols)
        speaker = Speaker(bus, known, trial.events_per_s, rng)
        await speaker.introduce()
        everybody = Everybody([replica.port for replica in replicas], trial.seed)
        viewers = [everybody.viewer(_topics(i, known)) for i in range(trial.viewers)]
        async with _running(speaker, everybody):
            await _all_see(everybody, READY_WITHIN_S)
            say(f"{trial.viewers} viewers see {trial.symbols} symbols on {trial.replicas} live servers")
            await _blows(trial, replicas, server, outcome, say)
            speaker.stop()
            await speaker.stopped()
            truth = await stored(bus)
            await _until_told(everybody, truth)
        outcome.connections, outcome.resumed = everybody.connections, everybody.resumed
        outcome.stored = sum(len(events) for events in truth.values())
        outcome.heard = sum(viewer.heard for viewer in viewers)
        outcome.contradictions = [*everybody.differences, *contradictions(viewers, truth)]
    return outcome


Truth = dict[str, list[tuple[int, str]]]
"""Of each stream, in its order: the sequence and the symbol of what viewers have to hear."""


async def stored(bus: Bus) -> Truth:
    """Return what the streams hold for viewers."""
    truth: Truth = {}
    for stream, wanted in TOLD.items():
        events: list[tuple[int, str]] = []
        async with aclosing(read(bus, stream, wanted, FromStart())) as batches:
            async for batch in batches:
                events += [(each.sequence, each.subject.split(".")[2]) for each in batch.messages]
                if batch.caught_up:
                    break
        truth[stream] = events
    return truth


def contradictions(viewers: list[Viewer], truth: Truth) -> list[str]:
    """Return in what the viewers' memories differ from what is stored: one line a viewer and stream."""
    found: list[str] = []
    for viewer in viewers:
        found += [f"{viewer.name}: {fault}" for fault in viewer.faults]
        if viewer.snapshots != ["first"]:
            found.append(
                f"{viewer.name}: snapshots {', '.join(viewer.snapshots) or 'none'}, not the first alone"
            )
            continue
        for stream, events in truth.items():
            begins = viewer.begins.get(stream, 0)
            wanted = [seq for seq, token in events if seq > begins and viewer.hears(token)]
            if wanted != (heard := viewer.sequences[stream]):
                found.append(f"{viewer.name}: {stream}: {_difference(wanted, heard)}")
    return found


def _difference(wanted: list[int], heard: list[int]) -> str:
    missing = sorted(set(wanted) - set(heard))
    strange = sorted(set(heard) - set(wanted))
    twice = sorted(seq for seq, count in Counter(heard).items() if count > 1)
    parts = [
        f"{name} {', '.join(map(str, each[:LISTED]))}{'...' if len(each) > LISTED else ''}"
        for name, each in (("missing", missing), ("twice", twice), ("not its own", strange))
        if each
    ]
    return "; ".join(parts) or "out of order"


def _topics(i: int, known: list[Market]) -> list[Market]:
    """Return what a viewer sees: one symbol, three of them, or (none named) all: 1 in 100 viewers."""
    if i % 100 == 0:
        return []
    count = 3 if i % 10 == 5 else 1
    return [known[(i + step) % len(known)] for step in range(count)]


@asynccontextmanager
async def _running(speaker: Speaker, everybody: Everybody) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(speaker.run()), asyncio.create_task(everybody.run())]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _blows(
    trial: Trial,
    replicas: list[Replica],
    server: EmbeddedServer,
    outcome: Outcome,
    say: Callable[[str], None],
) -> None:
    ends = time.monotonic() + trial.seconds
    blow = 0
    while time.monotonic() + trial.every_s < ends:
        await asyncio.sleep(trial.every_s)
        blow += 1
        if trial.kills_bus and blow % 3 == 0:
            outcome.kills["bus"] += 1
            server.kill()
            await server.wait()
            await asyncio.sleep(DOWN_S)
            await server.start()
        else:
            replica = replicas[blow % len(replicas)]
            outcome.kills["live server"] += 1
            await replica.kill()
            await asyncio.sleep(DOWN_S)
            await replica.start()
        if blow % 5 == 0:
            say(f"{blow} blows")


async def _all_see(everybody: Everybody, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await everybody.seeing()
    except TimeoutError:
        raise CommandError(
            f"not every viewer saw something within {seconds:g} s; see the live servers' logs"
        ) from None


async def _until_told(everybody: Everybody, truth: Truth) -> None:
    ends = {stream: events[-1][0] if events else 0 for stream, events in truth.items()}
    with suppress(TimeoutError):
        async with asyncio.timeout(QUIET_WITHIN_S):
            await everybody.told(ends)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a trial from the command line; return 0 when everything holds, 1 when not, 2 when it could not run."""
    parser = argparse.ArgumentParser(
        prog="opensqt verify",
        description="Kills live servers under many viewers, then compares what they heard with the streams.",
    )
    parser.add_argument("--viewers", type=int, required=True, metavar="N")
    parser.add_argument("--replicas", type=int, default=3, metavar="N", help="live servers (%(default)s)")
    parser.add_argument("--minutes", type=float, default=1.0, help="%(default)g")
    parser.add_argument(
        "--every", type=float, default=3.0, metavar="S", help="seconds between kills (%(default)g)"
    )
    parser.add_argument("--bus", action="store_true", help="also kill the bus's server: every third time")
    parser.add_argument("--rate", type=float, default=100.0, help="events a second (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="%(default)s")
    given = parser.parse_args(arguments)
    if min(given.viewers, given.replicas, given.minutes, given.every, given.rate) <= 0:
        parser.error("every number has to be above 0")
    trial = Trial(
        viewers=given.viewers,
        replicas=given.replicas,
        seconds=60 * given.minutes,
        every_s=given.every,
        kills_bus=given.bus,
        events_per_s=given.rate,
        seed=given.seed,
    )
    data_dir = Path(tempfile.mkdtemp(prefix="opensqt-viewers-"))
    try:
        outcome = uvloop.run(experiment(trial, data_dir, print))
    except CommandError as error:
        sys.stderr.write(f"error: {error}\nkept: {data_dir}\n")
        return 2
    _print(outcome)
    if not outcome.holds:
        print(f"kept: {data_dir}")
        return 1
    shutil.rmtree(data_dir, ignore_errors=True)
    return 0


def _print(outcome: Outcome) -> None:
    kills = ", ".join(f"{name} {count}" for name, count in sorted(outcome.kills.items())) or "none"
    print(f"  killed: {kills}; {outcome.connections} connections, {outcome.resumed} of them resumed")
    print(
        f"  {outcome.stored} events stored for viewers, {outcome.heard} messages of them heard and compared"
    )
    found = outcome.contradictions
    print(
        f"  {'holds ' if not found else 'BROKEN'}  every viewer has every event of its topics once, in order"
    )
    for text in found[:LISTED]:
        print(f"          {text}")
    if len(found) > LISTED:
        print(f"          and {len(found) - LISTED} more")


if __name__ == "__main__":
    sys.exit(main())
