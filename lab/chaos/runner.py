"""Run the stack under faults, then without faults until its accounts match the venue, and check the invariants."""

import asyncio
import itertools
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
import msgspec

from bus import BusError
from cli.background import background_task
from cli.config.file import Configuration
from cli.stack.stack import Stack, StackSettings, node_names, part_names, run_stack
from lab.chaos.faults import Fault, FaultKind, fault_schedule
from lab.chaos.history import History, HistoryRecorder, VenueHistory, fetch_venue_history
from lab.chaos.invariants import EVENTUAL, violations
from producers.simulated.settings import FaultSettings
from schemas.subjects import Stream

VENUE_FAULTS = FaultSettings(
    lost=0.05,
    doubled=0.05,
    late=0.05,
    late_by=1_000_000_000,
    reordered=0.05,
    answer_lost=0.02,
    answer_delay=4_000_000_000,
    rate_limited=0.01,
    overloaded=0.01,
    retry_after_s=0.2,
    disconnect_account=0.002,
    disconnect_market=0.0005,
)
"""Faults of the simulated venue: probabilities per message or request, delays in nanoseconds unless named `_s`."""
VOLATILITY_FACTOR = 4
SETTLE_TIMEOUT_S = 120.0
"""Time after the faults for every invariant to hold."""
POLL_S = 1.0
"""Interval of the checks before and after the faults."""
CHECK_EVERY_S = 5.0
"""Interval of the checks under faults."""
RECHECK_FOR_S = 10.0
"""How long a permanent violation is checked again after the faults, in case a read was stale."""
LEADER = "leader"
"""Target name: the bus server that leads a stream at the moment of the fault."""
LED_STREAMS = (Stream.JOURNAL, Stream.ORDERS)
"""The streams whose leaders are hit in turn."""


@dataclass(frozen=True, slots=True)
class ChaosSettings:
    """The faults of a run."""

    seed: int = 1
    kills: int = 0
    """Minimum number of faults."""
    minutes: float = 0.0
    """Minimum duration of the faults; they end when both minima are reached."""
    every_s: float = 3.0
    """Mean time between faults."""
    pause_s: float = 0.0
    """Duration of a pause; 0 disables pauses."""
    only: tuple[str, ...] = ()
    """Prefixes of the names of eligible processes; empty: all."""


@dataclass(frozen=True, slots=True)
class ChaosResult:
    """The history of a run and the violated invariants."""

    histories: list[History]
    venue: VenueHistory
    violations: dict[str, list[str]]
    settled_s: float
    """Time from the end of the faults to this result."""
    restarts: dict[str, int]
    kills: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        return not any(self.violations.values())

    @property
    def is_permanently_violated(self) -> bool:
        """Whether an invariant that holds at any time is violated."""
        return any(found for name, found in self.violations.items() if name not in EVENTUAL)


async def run_chaos(
    stack_settings: StackSettings, settings: ChaosSettings, progress: Callable[[str], None]
) -> ChaosResult:
    """Run the stack under faults and return the result; `progress` receives one line of text per event.

    Raises: CommandError or bus.ServerStartFailed when the stack cannot be started.
    """
    async with run_stack(stack_settings, progress) as stack:
        run = ChaosRun(stack_settings, stack, settings, progress)
        await run.until_trading()
        progress("every symbol has traded; faults on")
        faults = msgspec.structs.replace(VENUE_FAULTS, seed=settings.seed)
        async with _venue_faults(stack.venue_url, faults), background_task(run.watch(), "watch"):
            await run.inject_faults()
        progress("faults off, market halted; waiting until the accounts match the venue")
        await post_admin(stack.venue_url, "market", {"halted": True})
        return await run.settle()


def with_volatile_market(configuration: Configuration, factor: float = VOLATILITY_FACTOR) -> Configuration:
    """Return the configuration with the market's volatility multiplied by `factor`."""
    venue = configuration.venue
    symbols = tuple(
        msgspec.structs.replace(each, volatility=factor * each.volatility) for each in venue.symbols
    )
    return msgspec.structs.replace(configuration, venues=(msgspec.structs.replace(venue, symbols=symbols),))


def all_targets(stack_settings: StackSettings) -> tuple[str, ...]:
    """Return the names of all processes that faults can hit, and `leader` on a cluster."""
    leader = [LEADER] if stack_settings.nodes > 1 else []
    return (*part_names(stack_settings), *node_names(stack_settings.nodes), *leader)


def selected_targets(stack_settings: StackSettings, settings: ChaosSettings) -> tuple[str, ...]:
    """Return the targets that `settings.only` selects."""
    return tuple(name for name in all_targets(stack_settings) if name.startswith(settings.only or ""))


class ChaosRun:
    """One run: injects faults into a stack and checks its history."""

    def __init__(
        self,
        stack_settings: StackSettings,
        stack: Stack,
        settings: ChaosSettings,
        progress: Callable[[str], None],
    ) -> None:
        self._stack_settings = stack_settings
        self._stack = stack
        self._settings = settings
        self._progress = progress
        self._entries = stack_settings.configuration.symbols
        self._recorders = [HistoryRecorder(entry) for entry in self._entries]
        self._recording = asyncio.Lock()
        self._violated = asyncio.Event()
        self._pausing: set[asyncio.Task[None]] = set()
        self._kills: Counter[str] = Counter()
        self._pauses: Counter[str] = Counter()

    async def until_trading(self) -> None:
        """Return when every symbol has a fill, or when an invariant is permanently violated."""
        while not all(recorder.history.fills for recorder in self._recorders):
            result = await self._check(0.0)
            if result is not None and result.is_permanently_violated:
                return
            await asyncio.sleep(POLL_S)

    async def watch(self) -> None:
        """Record and check the streams continuously, since they discard old messages. Never returns."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            result = await self._check(0.0)
            if result is not None and result.is_permanently_violated:
                self._violated.set()

    async def inject_faults(self) -> None:
        """Inject the scheduled faults; return when all paused processes have resumed.

        Ends early once an invariant is permanently violated.
        """
        settings = self._settings
        clock = asyncio.get_running_loop().time
        end = clock() + settings.minutes * 60
        targets = selected_targets(self._stack_settings, settings)
        schedule = fault_schedule(
            targets, settings.seed, settings.every_s, targets if settings.pause_s else ()
        )
        for number in itertools.count(1):
            if self._violated.is_set() or (number > settings.kills and clock() >= end):
                break
            fault = next(schedule)
            await asyncio.sleep(fault.delay_s)
            await self._inject(number, fault)
        await asyncio.sleep(settings.every_s)
        if self._pausing:
            await asyncio.wait(self._pausing)

    async def settle(self) -> ChaosResult:
        """Return the result once every invariant holds, or the last one after the time-out."""
        started = time.monotonic()
        while True:
            elapsed_s = time.monotonic() - started
            result = await self._check(elapsed_s)
            if result is not None:
                timeout_s = RECHECK_FOR_S if result.is_permanently_violated else SETTLE_TIMEOUT_S
                if result.holds or elapsed_s > timeout_s:
                    return result
            # A sweep: the account producer reads the venue's open orders and trades now, not at its next interval.
            with suppress(BusError):
                await self._stack.bus.publish(f"sweep.{self._entries[0].venue}", b"")
            await asyncio.sleep(POLL_S)

    async def _inject(self, number: int, fault: Fault) -> None:
        names = tuple(dict.fromkeys([await self._process_name(target) for target in fault.targets]))
        self._progress(f"fault {number}: {fault.kind} {' and '.join(names)}")
        for name in names:
            match fault.kind:
                case FaultKind.KILL:
                    self._kills[name] += 1
                    self._stack.parts[name].kill()
                case FaultKind.PAUSE:
                    self._pauses[name] += 1
                    task = asyncio.create_task(self._pause(name), name=f"pause:{name}")
                    self._pausing.add(task)
                    task.add_done_callback(self._pausing.discard)

    async def _pause(self, name: str) -> None:
        process = self._stack.parts[name]
        process.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(self._settings.pause_s)
        finally:
            process.send(signal.SIGCONT)
            self._progress(f"{name} resumed")

    async def _process_name(self, target: str) -> str:
        """Return the process of a target; `leader` is the first bus server if the leader is unknown."""
        if target != LEADER:
            return target
        stream = LED_STREAMS[sum(self._kills.values()) % len(LED_STREAMS)]
        try:
            leader = (await self._stack.bus.stream_state(stream)).leader
        except BusError:
            leader = ""
        return leader if leader in self._stack.parts else node_names(self._stack_settings.nodes)[0]

    async def _check(self, elapsed_s: float) -> ChaosResult | None:
        """Record new messages and check all invariants; None when the bus or the venue cannot be read."""
        try:
            async with self._recording:
                venue = await fetch_venue_history(self._stack.venue_url)
                for recorder in self._recorders:
                    await recorder.record(self._stack.bus)
        except (BusError, aiohttp.ClientError, TimeoutError) as error:
            self._progress(f"cannot read the bus or the venue, will retry: {error!r}")
            return None
        histories = [recorder.history for recorder in self._recorders]
        return ChaosResult(
            histories,
            venue,
            violations(histories, venue),
            elapsed_s,
            self._stack.supervisor.restarts(),
            self._kills,
            self._pauses,
        )


@asynccontextmanager
async def _venue_faults(venue_url: str, faults: FaultSettings) -> AsyncIterator[None]:
    await post_admin(venue_url, "faults", msgspec.to_builtins(faults))
    try:
        yield
    finally:
        await post_admin(venue_url, "faults", msgspec.to_builtins(FaultSettings()))


async def post_admin(venue_url: str, resource: str, body: object) -> None:
    """Post to the venue's admin API, retrying until the venue is reachable."""
    while True:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{venue_url}/admin/{resource}", json=body) as response,
            ):
                response.raise_for_status()
                return
        except (aiohttp.ClientConnectionError, TimeoutError):
            await asyncio.sleep(POLL_S)
