"""`opensqt control`: a command for the engine, sent durably and once, and its answer."""

import asyncio
import getpass
import secrets
import time
from contextlib import aclosing

from bus import Ambiguous, Bus, FromSequence, Registry, StreamGone, read
from opensqt.errors import CommandError
from opensqt.status import reached
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.subjects import ALL, Stream
from schemas.units import SECOND_NS, DurationNs, Symbol, VenueId

ATTEMPT_S = 1.0
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
                result = await answer(bus, given)
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


async def answer(bus: Bus, given: Command) -> CommandResult:
    """Send a command, once however often it has to be tried, and return the engine's answer."""
    sequence = await _store(bus, given)
    filters = [subjects.command_result(given.venue, given.symbol)]
    async with aclosing(read(bus, Stream.CONTROL, filters, FromSequence(sequence))) as batches:
        async for batch in batches:
            for received in batch.messages:
                result = _result(received.data)
                if result is not None and result.command_id == given.command_id:
                    return result
    raise AssertionError("a stream is read for ever")


async def _store(bus: Bus, given: Command) -> int:
    subject = subjects.command(given.venue, given.symbol, given.name)
    while True:
        try:
            return await bus.store(subject, given, message_id=given.command_id, timeout_s=ATTEMPT_S)
        except Ambiguous:
            continue  # the bus tells repetitions by the id


async def _check_known(bus: Bus, given: Command) -> None:
    try:
        known = await Registry(bus, "symbols").entries()
    except StreamGone:
        known = {}
    if given.name is CommandName.ADD or given.symbol == ALL:
        return  # the venue's own: it answers what it does not know
    if subjects.registry_key(given.venue, given.symbol) not in known:
        names = ", ".join(sorted(_readable(key) for key in known)) or "none"
        raise CommandError(f"{given.venue} {given.symbol} is not traded here; there is: {names}")


def _readable(key: str) -> str:
    venue, _, token = key.partition(".")
    return f"{venue} {subjects.unescape(token)}"


def _result(data: bytes) -> CommandResult | None:
    try:
        return decode_as(data, CommandResult)
    except UndecodableError:
        return None


def _detail(result: CommandResult) -> str:
    return f" ({result.detail})" if result.detail else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
