"""Run loss cases one after the other: inject, wait until trading resumes, halt the market, compare with the venue."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from bus import Bus, BusError, EmbeddedServer, connect, flatten_errors
from bus.backup.backup import back_up
from bus.backup.restore import restore, verified_manifest
from cli.config.file import Configuration
from cli.errors import CommandError
from cli.inspect.assignments import SHARDED_PARTS, fetch_assignments
from cli.inspect.audit import differences
from cli.inspect.discovery import discover
from cli.stack.data_dir import DataDir
from cli.stack.ports import find_free_port
from cli.stack.stack import Stack, StackSettings, log_file, part_names, run_stack
from cli.stack.supervisor import SupervisorTimings
from lab.chaos.history import REQUEST_TIMEOUT_S, VenueHistory, fetch_venue_history
from lab.chaos.loss_observer import Observer, SymbolHistory, observing
from lab.chaos.losses import Case, LossKind, copy_streams, inject
from lab.chaos.runner import post_admin
from schemas.engine.assignment import Assignment
from schemas.subjects import sweep
from schemas.units import Symbol

POLL_S = 0.5
WHOLE_BUS = "restore the whole bus"
FIRST_FILLS_TIMEOUT_S = 120.0
TIMINGS = SupervisorTimings(max_delay_s=1.0, stage_stop_s=2.0, stop_s=6.0)
IDS_ONCE = "no order id arrived twice"
BOOKS = "the books agree with the venue"
ONE_RUNNER = "each symbol runs in one engine and one gateway"
INJECTED = "the loss can be injected"
PAGE = "the live server is ready"


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """Size and times of a run."""

    configuration: Configuration
    root: Path
    """Directory for the data of each stack."""
    engines: int = 1
    gateways: int = 1
    older_s: float = 12.0
    """Age of the copy that a stream is set back to."""
    trade_timeout_s: float = 60.0
    """Time for every symbol to have a new order accepted."""
    trade_s: float = 4.0
    """How long trading continues before the market is halted."""
    settle_timeout_s: float = 45.0
    """Time without market for all proofs to hold."""


class LossResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one case."""

    losses: tuple[str, ...]
    """Such as `purge ORDERS`."""
    trading_after_s: float | None
    """Time until every symbol had a new order accepted at the venue; None if that did not happen."""
    not_trading: tuple[Symbol, ...] = ()
    violations: dict[str, list[str]] = {}
    """Of each proof."""
    alerts: dict[str, int] = {}
    log_events: dict[str, int] = {}
    data: str = ""
    """Directory with the data of a failed case."""

    @property
    def holds(self) -> bool:
        return self.trading_after_s is not None and not any(self.violations.values())


async def run_losses(
    settings: LossSettings, cases: Sequence[Case], progress: Callable[[str], None]
) -> list[LossResult]:
    """Run the cases and return a result for each. After a failed case the next one gets a new stack, with new data.

    Raises: CommandError or bus.ServerStartFailed when a stack cannot be started.
    """
    results: list[LossResult] = []
    number = 0
    while len(results) < len(cases):
        number += 1
        data = DataDir(settings.root / f"stack-{number}")
        with data.hold():
            async with _running_stack(settings, data, progress, {}) as run:
                await run.until_trading()
                progress("every symbol has traded")
                while len(results) < len(cases):
                    result = await run.case(cases[len(results)])
                    progress(f"  {len(results) + 1}/{len(cases)} {summary(result)}")
                    if not result.holds:
                        results.append(msgspec.structs.replace(result, data=str(data.root)))
                        break
                    results.append(result)
                else:
                    shutil.rmtree(data.root, ignore_errors=True)
    return results


async def run_restore(settings: LossSettings, progress: Callable[[str], None]) -> LossResult:
    """Back up a running stack, let it trade on, stop it, restore the backup, and start it again.

    Raises: CommandError or bus.ServerStartFailed when a stack cannot be started; BusError when the backup fails.
    """
    data, backup = DataDir(settings.root / "restored"), settings.root / "backup"
    histories: dict[Symbol, SymbolHistory] = {}
    with data.hold():
        async with _running_stack(settings, data, progress, histories) as run:
            await run.until_trading()
            await back_up(run.bus, backup, "verify", _ignore)
            await asyncio.sleep(settings.older_s)
        started = time.monotonic()
        async with (
            EmbeddedServer(data.bus, credentials=data.bus_credentials(), sync_always=False) as server,
            connect(server.context, name="restore") as bus,
        ):
            await restore(bus, backup, verified_manifest(backup), _ignore)
        async with _running_stack(settings, data, progress, histories) as run:
            result = await run.result((WHOLE_BUS,), started)
    progress(f"  {summary(result)}")
    if not result.holds:
        return msgspec.structs.replace(result, data=str(data.root))
    shutil.rmtree(data.root, ignore_errors=True)
    shutil.rmtree(backup, ignore_errors=True)
    return result


def summary(result: LossResult) -> str:
    """Return a result in one line."""
    text = " + ".join(result.losses)
    if result.trading_after_s is None:
        text += f": no new order in {', '.join(result.not_trading)}"
    else:
        text += f": trading after {result.trading_after_s:.1f} s"
    broken = [f"{name}: {found[0]}" for name, found in result.violations.items() if found]
    return "; BROKEN ".join([text, *broken])


class LossRun:
    """Runs cases on one stack."""

    def __init__(self, settings: LossSettings, stack: Stack, observer: Observer) -> None:
        self._settings = settings
        self._stack = stack
        self._observer = observer
        self._entries = settings.configuration.symbols

    @property
    def bus(self) -> Bus:
        return self._stack.bus

    async def until_trading(self) -> None:
        """Return when every symbol has a fill.

        Raises: CommandError when that takes longer than `FIRST_FILLS_TIMEOUT_S`.
        """
        for _ in range(int(FIRST_FILLS_TIMEOUT_S / POLL_S)):
            if sum(bool(each.fills) for each in self._observer.histories.values()) == len(self._entries):
                return
            await asyncio.sleep(POLL_S)
        raise CommandError(f"not every symbol had a fill within {FIRST_FILLS_TIMEOUT_S:g} s")

    async def case(self, case: Case) -> LossResult:
        """Run a case; the market is running again afterwards."""
        restored = [loss.stream for loss in case if loss.kind is LossKind.RESTORE]
        copies = await copy_streams(self.bus, restored)
        if restored:
            await asyncio.sleep(self._settings.older_s)
        self._observer.mark()
        losses = tuple(map(str, case))
        try:
            await inject(self.bus, case, copies)
        except ExceptionGroup as group:
            failures = [str(error) for error in flatten_errors(group)]
            return LossResult(losses=losses, trading_after_s=None, violations={INJECTED: failures})
        # Orders that were decided before the loss do not show that trading resumed.
        self._observer.placed.clear()
        return await self.result(losses, time.monotonic())

    async def result(self, losses: tuple[str, ...], started: float) -> LossResult:
        """Wait until trading resumes after losses at `started`, by the monotonic clock, then compare with the venue."""
        missing = await self._until_orders(started)
        elapsed_s = time.monotonic() - started
        await asyncio.sleep(self._settings.trade_s)
        violations = await self._settle()
        return LossResult(
            losses=losses,
            trading_after_s=None if missing else round(elapsed_s, 1),
            not_trading=tuple(missing),
            violations=violations,
            alerts=self._observer.alerts(),
            log_events=self._observer.log_events(),
        )

    async def _until_orders(self, started: float) -> list[Symbol]:
        """Wait until each symbol has an accepted order that was decided after the loss; return those without one."""
        missing = [entry.symbol for entry in self._entries]
        while missing and time.monotonic() - started < self._settings.trade_timeout_s:
            await asyncio.sleep(POLL_S)
            venue = await self._venue()
            if venue is not None:
                accepted = {order.client_order_id for order in venue.accounts.orders}
                missing = [
                    symbol for symbol in missing if accepted.isdisjoint(self._observer.placed.get(symbol, ()))
                ]
        return missing

    async def _settle(self) -> dict[str, list[str]]:
        """Halt the market until all proofs hold, at most `settle_timeout_s`; return the last violations."""
        await post_admin(self._stack.venue_url, "market", {"halted": True})
        deadline = time.monotonic() + self._settings.settle_timeout_s
        try:
            while True:
                with suppress(BusError):
                    await self.bus.publish(sweep(self._entries[0].venue), b"")
                await asyncio.sleep(2 * POLL_S)
                violations = await self._violations()
                if not any(violations.values()) or time.monotonic() > deadline:
                    return violations
        finally:
            await post_admin(self._stack.venue_url, "market", {"halted": False})

    async def _violations(self) -> dict[str, list[str]]:
        venue = await self._venue()
        if venue is None:
            return {BOOKS: ["the venue does not answer"]}
        arrived = Counter(each.client_order_id for each in venue.arrivals)
        return {
            IDS_ONCE: [f"{name} arrived {count} times" for name, count in arrived.items() if count > 1],
            BOOKS: [
                text
                for entry in self._entries
                for text in _book_differences(self._observer.histories.get(entry.symbol), entry.symbol, venue)
            ],
            ONE_RUNNER: await self._symbols_run_twice(),
            PAGE: await self._pages_not_ready(),
        }

    async def _venue(self) -> VenueHistory | None:
        try:
            return await fetch_venue_history(self._stack.venue_url)
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def _symbols_run_twice(self) -> list[str]:
        running: Counter[tuple[str, str]] = Counter()
        async with _session() as session:
            for service in await discover(self.bus):
                address = service.metadata.get("http", "")
                for each in await fetch_assignments(service.name, address, session):
                    running[each.part, each.symbol] += each.standing == Assignment.RUNNING
        found = [
            f"{symbol} runs in {count} {part}s" for (part, symbol), count in running.items() if count != 1
        ]
        return found + [
            f"no {part} knows {len(self._entries)} symbols"
            for part in SHARDED_PARTS
            if sum(of_part == part for of_part, _ in running) != len(self._entries)
        ]

    async def _pages_not_ready(self) -> list[str]:
        found = []
        async with _session() as session:
            for page in self._stack.pages:
                try:
                    async with session.get(f"{page}/ready") as response:
                        if response.status != 200:
                            found.append(f"{page}: {await response.text()}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    found.append(f"{page}: {error!r}")
        return found


def _book_differences(history: SymbolHistory | None, symbol: Symbol, venue: VenueHistory) -> list[str]:
    if history is None or history.state is None:
        return [f"{symbol}: no step was committed"]
    return differences(history.state, history.fills, venue.accounts)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S))


@asynccontextmanager
async def _running_stack(
    settings: LossSettings,
    data: DataDir,
    progress: Callable[[str], None],
    histories: dict[Symbol, SymbolHistory],
) -> AsyncIterator[LossRun]:
    stack_settings = StackSettings(
        configuration=settings.configuration,
        data=data,
        bus_port=find_free_port(),
        http_port=find_free_port(),
        timings=TIMINGS,
        engines=settings.engines,
        gateways=settings.gateways,
    )
    logs = {name: log_file(data, name) for name in part_names(stack_settings)}
    async with (
        run_stack(stack_settings, progress) as stack,
        observing(stack.bus, logs, histories) as observer,
    ):
        yield LossRun(settings, stack, observer)


def _ignore(stream: str, size: int) -> None:
    pass
