"""Send a command to the engine and print its results as they come."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager

from bus import Blocked, Bus, read_parts
from bus.commands import (
    AddressedSymbol,
    CommandIdInUse,
    addressed_symbols,
    results,
    results_of_all,
    traded_symbols,
)
from cli.background import background_task
from cli.console import table
from cli.errors import CommandError
from schemas import subjects
from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.grid.view import NotQuoting
from schemas.subjects import ALL
from schemas.units import SECOND_NS

OUTCOMES = {
    CommandOutcome.ACCEPTED: "accepted",
    CommandOutcome.APPLIED: "applied",
    CommandOutcome.INCOMPLETE: "not complete",
    CommandOutcome.UNCHANGED: "nothing to do",
    CommandOutcome.EXPIRED: "expired, not applied",
    CommandOutcome.REFUSED: "refused",
}
SUCCESSES = {CommandOutcome.APPLIED, CommandOutcome.UNCHANGED}
BLOCKED_TIMEOUT_S = 3.0
"""How long to wait for a result that a silent or missing part makes unlikely."""
CHECK_INTERVAL_S = 1.0
"""How often the parts are checked during the wait for a result."""
ENGINE_NEEDED = {NotQuoting.BUS_SILENT, NotQuoting.ENGINE_SILENT}
ORDERS_NEEDED = {*ENGINE_NEEDED, NotQuoting.GATEWAY_SILENT, NotQuoting.VENUE_UNREACHABLE}
NEEDED = {
    CommandName.PAUSE: ORDERS_NEEDED,
    CommandName.STOP: ORDERS_NEEDED,
    CommandName.FLATTEN: ORDERS_NEEDED,
    CommandName.TRIP: ORDERS_NEEDED,
    CommandName.REMOVE: ORDERS_NEEDED,
    CommandName.RECONCILE: {*ORDERS_NEEDED, NotQuoting.ACCOUNT_SILENT} - {NotQuoting.GATEWAY_SILENT},
}
"""What prevents a command from being completed; of the other commands `ENGINE_NEEDED`."""


async def send(bus: Bus, command: Command, timeout_s: float) -> int:
    """Store a command, print its results, and return the exit code: 0 when it is complete everywhere, else 1.

    Parts that it needs and that are silent or missing are printed first; then the wait is short.
    Raises: CommandError when the bus is silent.
    """
    obstacles = await _obstacles(bus, command)
    _print_obstacles(obstacles)
    if any(obstacle.reason is NotQuoting.BUS_SILENT for obstacle in obstacles):
        raise CommandError("the command was not stored")
    timeout_s = min(timeout_s, BLOCKED_TIMEOUT_S) if obstacles else timeout_s
    try:
        if command.symbol == ALL:
            return await _send_to_all(bus, command, timeout_s)
        return await _send_to_one(bus, command, timeout_s, is_blocked=bool(obstacles))
    except CommandIdInUse as error:
        raise CommandError(str(error)) from error
    except asyncio.CancelledError:
        _print(f"interrupted: the command (id {command.command_id}) is not revoked; {_fate(command)}")
        raise


async def _send_to_one(bus: Bus, command: Command, timeout_s: float, *, is_blocked: bool) -> int:
    newest: CommandResult | None = None
    waiting = _Wait(timeout_s)
    try:
        async with waiting.limited(bus, command), aclosing(results(bus, command)) as found:
            async for newest in found:
                _print(f"{_title(command)}: {_result_text(newest)}")
    except TimeoutError:
        _print(f"{_title(command)}: {_missing_text(command, newest, waiting.elapsed_s)}")
        return 1
    assert newest is not None
    # An engine of version 0.1 calls a command applied before the venue has confirmed anything.
    is_applied = newest.outcome is CommandOutcome.APPLIED
    if is_blocked and is_applied and command.name in NEEDED and newest.orders_canceled is None:
        _print(f"{_title(command)}: not confirmed: nothing shows that the venue has done it")
        return 1
    return 0 if newest.outcome in SUCCESSES else 1


async def _send_to_all(bus: Bus, command: Command, timeout_s: float) -> int:
    expected = await addressed_symbols(bus, command)
    found: dict[AddressedSymbol, CommandResult | None] = dict.fromkeys(expected)
    answer: CommandResult | None = None
    waiting = _Wait(timeout_s)
    try:
        async for result in _within(waiting, bus, command):
            if result.command_id == command.command_id:
                answer = result
                _print(f"{_title(command)}: {_result_text(result)}")
            else:
                found[AddressedSymbol(result.venue, result.symbol)] = result
                if not result.is_final:
                    _print(f"{result.venue} {result.symbol}: {_result_text(result)}")
    except TimeoutError:
        if answer is None:
            _print(f"{_title(command)}: {_missing_text(command, None, waiting.elapsed_s)}")
            return 1
    assert answer is not None, "the results of all symbols begin with the portfolio's"
    if answer.outcome not in {*SUCCESSES, CommandOutcome.ACCEPTED}:
        return 1
    rows = [_row(command, symbol, result, waiting.elapsed_s) for symbol, result in sorted(found.items())]
    if answer.outcome is CommandOutcome.UNCHANGED or not rows:
        return 0
    _print(table(["SYMBOL", "RESULT", "DETAIL"], rows))
    return 0 if all(result is not None and result.outcome in SUCCESSES for result in found.values()) else 1


async def _within(waiting: "_Wait", bus: Bus, command: Command) -> AsyncIterator[CommandResult]:
    async with waiting.limited(bus, command), aclosing(results_of_all(bus, command)) as found:
        async for result in found:
            yield result


class _Wait:
    """A limited wait for results, cut short when a part that the command needs falls silent meanwhile."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._started_s = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return min(time.monotonic() - self._started_s, self._timeout_s)

    @asynccontextmanager
    async def limited(self, bus: Bus, command: Command) -> AsyncIterator[None]:
        """Limit the time of the block. Raises: TimeoutError."""
        async with asyncio.timeout(self._timeout_s) as limit:
            if self._timeout_s <= BLOCKED_TIMEOUT_S:
                yield
                return
            async with background_task(self._check(limit, bus, command), "parts"):
                yield

    async def _check(self, limit: asyncio.Timeout, bus: Bus, command: Command) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            if obstacles := await _obstacles(bus, command):
                break
        _print_obstacles(obstacles)
        end_s = asyncio.get_running_loop().time() + BLOCKED_TIMEOUT_S
        limit.reschedule(min(end_s, limit.when() or end_s))


def _row(
    command: Command, symbol: AddressedSymbol, result: CommandResult | None, timeout_s: float
) -> list[str]:
    name = f"{symbol.venue} {symbol.symbol}"
    if result is None:
        return [name, "no answer", f"within {timeout_s:.2g} s; {_fate(command)}"]
    if not result.is_final:
        return [name, "not complete", _missing_text(command, result, timeout_s)]
    return [name, OUTCOMES[result.outcome], result.detail]


async def _obstacles(bus: Bus, command: Command) -> list[Blocked]:
    """Return what prevents the command from being completed, each once."""
    addressed = await addressed_symbols(bus, command) or [AddressedSymbol(command.venue, command.symbol)]
    keys = {subjects.registry_key(each.venue, each.symbol) for each in addressed if each.symbol != ALL}
    view = await read_parts(bus, await traded_symbols(bus) | keys)
    needed = NEEDED.get(command.name, ENGINE_NEEDED)
    blocked = [view.blocked(each.venue, each.symbol) for each in addressed if each.symbol != ALL]
    found = [each for each in (view.blocked_all, *blocked) if each is not None and each.reason in needed]
    return list({each.detail: each for each in found}.values())


def _print_obstacles(obstacles: Iterable[Blocked]) -> None:
    for obstacle in obstacles:
        _print(f"{obstacle.detail} {obstacle.remedy}")


def _title(command: Command) -> str:
    return f"{command.name} {command.venue} {command.symbol}"


def _result_text(result: CommandResult) -> str:
    return f"{OUTCOMES[result.outcome]}: {result.detail}" if result.detail else OUTCOMES[result.outcome]


def _missing_text(command: Command, newest: CommandResult | None, timeout_s: float) -> str:
    """Return what is known of a command whose final result did not come in time."""
    if newest is None:
        return f"stored, not answered within {timeout_s:.2g} s; {_fate(command)} (id {command.command_id})"
    return (
        f"accepted, not confirmed within {timeout_s:.2g} s: orders may still be open; it continues "
        f"(id {command.command_id})"
    )


def _fate(command: Command) -> str:
    left_s = max((command.expires_time - time.time_ns()) / SECOND_NS, 0)
    return (
        f"it expires in {left_s:.0f} s, an engine that runs before then applies it"
        if left_s
        else "it has expired"
    )


def _print(text: str) -> None:
    print(text, flush=True)
