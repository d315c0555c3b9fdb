"""Runs the stack on a seeded market with faults, kills and pauses its parts, lets it come to rest, and proves."""

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
from cli.background import beside
from cli.config.file import Configuration
from cli.stack.stack import Stack, StackSettings, node_names, part_names, running
from lab.chaos.faults import Blow, Deed, blows
from lab.chaos.history import Trail, VenueEvidence, Witness, venue_evidence
from lab.chaos.invariants import AT_REST, contradictions
from producers.simulated.settings import FaultSettings
from schemas.subjects import Stream

FAULTS = FaultSettings(
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
LIVELINESS = 4
"""So many times the market's volatility."""
SETTLE_WITHIN_S = 120.0
ASK_EVERY_S = 1.0
WITNESS_EVERY_S = 5.0
REFUTED_FOR_S = 10.0
"""So long is waited, in case that what was read was old."""
LEADER = "leader"
"""The bus's server that leads a stream when the blow falls."""
LED = (Stream.JOURNAL, Stream.ORDERS)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a run is to go through."""

    seed: int = 1
    kills: int = 0
    """So many blows at least."""
    minutes: float = 0.0
    """And for so long at least."""
    every_s: float = 3.0
    """Between blows, about."""
    pause_s: float = 0.0
    """How long what is paused stands still; 0: nothing is paused."""
    only: tuple[str, ...] = ()
    """What the names of those that are struck begin with; empty: all are."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run showed."""

    trails: list[Trail]
    venue: VenueEvidence
    contradictions: dict[str, list[str]]
    settled_s: float
    restarts: dict[str, int]
    kills: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        return not any(self.contradictions.values())

    @property
    def is_refuted(self) -> bool:
        """Something does not hold that never will again."""
        return any(found for name, found in self.contradictions.items() if name not in AT_REST)


async def experiment(settings: StackSettings, trial: Trial, say: Callable[[str], None]) -> Outcome:
    """Run the stack, do to it what the trial wants, and return the outcome.

    Raises: CommandError or bus.ServerStartFailed when the stack cannot be started.
    """
    async with running(settings, say) as stack:
        laboratory = Laboratory(settings, stack, trial, say)
        await laboratory.until_trading()
        say("every symbol trades; faults on")
        faults = msgspec.structs.replace(FAULTS, seed=trial.seed)
        async with _faults(stack.venue_url, faults), beside(laboratory.witness(), "witness"):
            await laboratory.torment()
        say("faults off; the market stands still; waiting for the books to agree")
        await _post(stack.venue_url, "market", {"halted": True})
        return await laboratory.settle()


def lively(configuration: Configuration) -> Configuration:
    """Return the configuration with a market in which much happens."""
    venue = configuration.venue
    symbols = tuple(
        msgspec.structs.replace(each, volatility=LIVELINESS * each.volatility) for each in venue.symbols
    )
    return msgspec.structs.replace(configuration, venue=msgspec.structs.replace(venue, symbols=symbols))


def targets(settings: StackSettings) -> tuple[str, ...]:
    """Return what can be killed, by name."""
    leader = [LEADER] if settings.nodes > 1 else []
    return (*part_names(settings), *node_names(settings.nodes), *leader)


def struck(settings: StackSettings, trial: Trial) -> tuple[str, ...]:
    """Return what a trial kills and pauses, by name."""
    return tuple(name for name in targets(settings) if name.startswith(trial.only or ""))


class Laboratory:
    """One run."""

    def __init__(
        self, settings: StackSettings, stack: Stack, trial: Trial, say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._stack = stack
        self._trial = trial
        self._say = say
        self._entries = settings.configuration.symbols
        self._witnesses = [Witness(entry) for entry in self._entries]
        self._looking = asyncio.Lock()
        self._refuted = asyncio.Event()
        self._pausing: set[asyncio.Task[None]] = set()
        self._kills: Counter[str] = Counter()
        self._pauses: Counter[str] = Counter()

    async def until_trading(self) -> None:
        """Return when every symbol has a fill, or when that is not worth waiting for."""
        while not all(witness.trail.fills for witness in self._witnesses):
            outcome = await self._outcome(0.0)
            if outcome is not None and outcome.is_refuted:
                return
            await asyncio.sleep(ASK_EVERY_S)

    async def witness(self) -> None:
        """Read what the streams get, which discard what is old, until something does not hold."""
        while True:
            await asyncio.sleep(WITNESS_EVERY_S)
            outcome = await self._outcome(0.0)
            if outcome is not None and outcome.is_refuted:
                self._refuted.set()

    async def torment(self) -> None:
        """Deal the blows; return when what was paused goes on again."""
        trial = self._trial
        clock = asyncio.get_running_loop().time
        end = clock() + trial.minutes * 60
        names = struck(self._settings, trial)
        planned = blows(names, trial.seed, trial.every_s, names if trial.pause_s else ())
        for number in itertools.count(1):
            if self._refuted.is_set() or (number > trial.kills and clock() >= end):
                break
            blow = next(planned)
            await asyncio.sleep(blow.after_s)
            await self._deal(number, blow)
        await asyncio.sleep(trial.every_s)
        if self._pausing:
            await asyncio.wait(self._pausing)

    async def settle(self) -> Outcome:
        """Return what there is once every proof holds, or when it has been waited for long enough."""
        started = time.monotonic()
        while True:
            after_s = time.monotonic() - started
            outcome = await self._outcome(after_s)
            if outcome is not None:
                patience_s = REFUTED_FOR_S if outcome.is_refuted else SETTLE_WITHIN_S
                if outcome.holds or after_s > patience_s:
                    return outcome
            with suppress(BusError):
                await self._stack.bus.publish(f"sweep.{self._entries[0].venue}", b"")
            await asyncio.sleep(ASK_EVERY_S)

    async def _deal(self, number: int, blow: Blow) -> None:
        names = tuple(dict.fromkeys([await self._named(target) for target in blow.targets]))
        self._say(f"blow {number}: {blow.deed} {' and '.join(names)}")
        for name in names:
            match blow.deed:
                case Deed.KILL:
                    self._kills[name] += 1
                    self._stack.parts[name].kill()
                case Deed.PAUSE:
                    self._pauses[name] += 1
                    task = asyncio.create_task(self._pause(name), name=f"pause:{name}")
                    self._pausing.add(task)
                    task.add_done_callback(self._pausing.discard)

    async def _pause(self, name: str) -> None:
        part = self._stack.parts[name]
        part.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(self._trial.pause_s)
        finally:
            part.send(signal.SIGCONT)
            self._say(f"{name} goes on")

    async def _named(self, target: str) -> str:
        if target != LEADER:
            return target
        stream = LED[sum(self._kills.values()) % len(LED)]
        try:
            leader = (await self._stack.bus.stream_state(stream)).leader
        except BusError:
            leader = ""
        return leader if leader in self._stack.parts else node_names(self._settings.nodes)[0]

    async def _outcome(self, after_s: float) -> Outcome | None:
        try:
            async with self._looking:
                venue = await venue_evidence(self._stack.venue_url)
                for witness in self._witnesses:
                    await witness.look(self._stack.bus)
        except (BusError, aiohttp.ClientError, TimeoutError) as error:
            self._say(f"nothing can be seen now: {error!r}")
            return None
        trails = [witness.trail for witness in self._witnesses]
        return Outcome(
            trails,
            venue,
            contradictions(trails, venue),
            after_s,
            self._stack.supervisor.restarts(),
            self._kills,
            self._pauses,
        )


@asynccontextmanager
async def _faults(venue_url: str, faults: FaultSettings) -> AsyncIterator[None]:
    await _post(venue_url, "faults", msgspec.to_builtins(faults))
    try:
        yield
    finally:
        await _post(venue_url, "faults", msgspec.to_builtins(FaultSettings()))


async def _post(venue_url: str, what: str, body: object) -> None:
    """Tell the venue, until it is there to hear it."""
    while True:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{venue_url}/admin/{what}", json=body) as answer,
            ):
                answer.raise_for_status()
                return
        except (aiohttp.ClientConnectionError, TimeoutError):
            await asyncio.sleep(ASK_EVERY_S)
