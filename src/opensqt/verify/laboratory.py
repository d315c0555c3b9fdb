"""Runs the stack on a seeded market with faults, kills its parts, lets it come to rest, and gathers the evidence."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import msgspec

from bus import BusError
from opensqt.books import VenueBooks
from opensqt.stack import BUS, Stack, StackSettings, running
from opensqt.verify.evidence import Trail, books_of, trail_of
from opensqt.verify.proofs import contradictions
from producers.simulated.settings import FaultSettings
from schemas.journal import SymbolEntry

TARGETS = ("liveserver", "engine", "gateway", "account", "market", "venue", BUS)
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
SETTLE_WITHIN_S = 90.0
ASK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Kill:
    """One SIGKILL, and how long after the last one."""

    target: str
    after_s: float


def plan(kills: int, seed: int, pause_s: float) -> list[Kill]:
    """Return which parts die, when: each in turn first, then at random; the same for the same seed."""
    chance = random.Random(seed)
    targets = [TARGETS[i] if i < len(TARGETS) else chance.choice(TARGETS) for i in range(kills)]
    return [Kill(target, chance.uniform(0.5, 1.5) * pause_s) for target in targets]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run showed."""

    trails: list[Trail]
    books: VenueBooks
    contradictions: dict[str, list[str]]
    settled_s: float
    restarts: dict[str, int]

    @property
    def holds(self) -> bool:
        return not any(self.contradictions.values())


async def experiment(
    settings: StackSettings, kills: list[Kill], seed: int, say: Callable[[str], None]
) -> Outcome:
    """Run the stack, kill as planned, and return the outcome.

    Raises: CommandError or bus.ServerStartFailed when the stack cannot be started.
    """
    async with running(settings, say) as stack:
        entries = settings.configuration.symbols
        await _until_trading(stack, entries)
        say("every symbol trades; faults on")
        async with _faults(stack.venue_url, msgspec.structs.replace(FAULTS, seed=seed)):
            for number, kill in enumerate(kills, start=1):
                await asyncio.sleep(kill.after_s)
                say(f"kill {number}/{len(kills)}: {kill.target}")
                stack.parts[kill.target].kill()
            await asyncio.sleep(kills[-1].after_s if kills else 0)
        say("faults off; the market stands still; waiting for the books to agree")
        await _post(stack.venue_url, "market", {"halted": True})
        return await _settle(stack, entries)


async def _settle(stack: Stack, entries: tuple[SymbolEntry, ...]) -> Outcome:
    started = time.monotonic()
    while True:
        await stack.bus.wait_connected()
        outcome = await _look(stack, entries, time.monotonic() - started)
        if outcome is not None and (outcome.holds or outcome.settled_s > SETTLE_WITHIN_S):
            return outcome
        await stack.bus.publish(f"sweep.{entries[0].venue}", b"")
        await asyncio.sleep(ASK_EVERY_S)


async def _look(stack: Stack, entries: tuple[SymbolEntry, ...], after_s: float) -> Outcome | None:
    try:
        trails = [await trail_of(stack.bus, entry) for entry in entries]
        books = await books_of(stack.venue_url)
    except (BusError, aiohttp.ClientError, TimeoutError):
        return None
    return Outcome(trails, books, contradictions(trails, books), after_s, stack.supervisor.restarts())


async def _until_trading(stack: Stack, entries: tuple[SymbolEntry, ...]) -> None:
    waiting = set(entries)
    while waiting:
        waiting = {entry for entry in waiting if not (await trail_of(stack.bus, entry)).fills}
        await asyncio.sleep(ASK_EVERY_S)


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
