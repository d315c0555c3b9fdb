"""`opensqt control`: a command for the engine, sent durably and once, and its answer."""

import asyncio
import getpass
import secrets
import time

from bus import Bus
from bus.commands import give, traded
from cli.commands.status import reached
from cli.errors import CommandError
from schemas import subjects
from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.subjects import ALL
from schemas.units import SECOND_NS, DurationNs, Symbol, VenueId

OUTCOMES = {
    CommandOutcome.APPLIED: "applied",
    CommandOutcome.UNCHANGED: "nothing to do",
    CommandOutcome.EXPIRED: "expired, not applied",
    CommandOutcome.REFUSED: "refused",
}


def command(
    name: CommandName,
    venue: VenueId,
    symbol: Symbol,
    *,
    reason: str,
    operator: str | None,
    lifetime: DurationNs,
) -> Command:
    """Return a new command, given now."""
    now = time.time_ns()
    return Command(
        venue=venue,
        symbol=symbol,
        command_id=secrets.token_hex(8),
        name=name,
        operator=operator or _user(),
        reason=reason,
        time=now,
        expires_time=now + lifetime,
    )


async def control(url: str, given: Command, timeout_s: float) -> int:
    """Send a command and print its answer. Exit code 0 when it was applied or had nothing to do.

    Raises: CommandError when the symbol is unknown or no answer came in time.
    """
    async with reached(url, "control") as bus:
        await _check_known(bus, given)
        try:
            async with asyncio.timeout(timeout_s):
                result = await give(bus, given)
        except TimeoutError:
            left = max((given.expires_time - time.time_ns()) / SECOND_NS, 0)
            fate = (
                f"it is applied if one comes within {left:.0f} s, and expires then" if left else "it expired"
            )
            raise CommandError(
                f"no answer within {timeout_s:g} s: is the engine running (opensqt status)? "
                f"The command stays on the bus; {fate} (id {given.command_id})"
            ) from None
    print(f"{given.name} {given.venue} {given.symbol}: {OUTCOMES[result.outcome]}{_detail(result)}")
    return 0 if result.outcome in {CommandOutcome.APPLIED, CommandOutcome.UNCHANGED} else 1


async def _check_known(bus: Bus, given: Command) -> None:
    if given.name is CommandName.ADD or given.symbol == ALL:
        return  # the venue's own: it answers what it does not know
    known = await traded(bus)
    if subjects.registry_key(given.venue, given.symbol) not in known:
        names = ", ".join(sorted(_readable(key) for key in known)) or "none"
        raise CommandError(f"{given.venue} {given.symbol} is not traded here; there is: {names}")


def _readable(key: str) -> str:
    venue, _, token = key.partition(".")
    return f"{venue} {subjects.unescape(token)}"


def _detail(result: CommandResult) -> str:
    return f" ({result.detail})" if result.detail else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
