"""Giving a command and getting its answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bus import Bus, Message, Registry
from bus.commands import give
from cli.background import beside
from cli.commands.control import command, control
from cli.errors import CommandError
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.units import SECOND_NS
from tests.cli.events import ENTRY, SYMBOL, VENUE


def pause(lifetime: int = 30 * SECOND_NS) -> Command:
    return command(CommandName.PAUSE, VENUE, SYMBOL, reason="lunch", operator="ann", lifetime=lifetime)


def result(
    given: Command, outcome: CommandOutcome = CommandOutcome.APPLIED, detail: str = ""
) -> CommandResult:
    return CommandResult(
        venue=given.venue,
        symbol=given.symbol,
        command_id=given.command_id,
        name=given.name,
        outcome=outcome,
        detail=detail,
        operator=given.operator,
        reason=given.reason,
        step=1,
        time=given.time,
    )


@asynccontextmanager
async def engine(bus: Bus, outcome: CommandOutcome) -> AsyncIterator[None]:
    """Answer the first command; before it, one that somebody else gave."""
    heard: asyncio.Queue[Message] = asyncio.Queue()
    await Registry(bus, "symbols").create(subjects.registry_key(VENUE, SYMBOL), ENTRY)
    unsubscribe = await bus.subscribe(subjects.command(VENUE, SYMBOL, "pause"), heard.put_nowait)

    async def reply() -> None:
        given = decode_as((await heard.get()).data, Command)
        for each in (result(pause()), result(given, outcome, "done so")):
            await bus.store(subjects.command_result(VENUE, SYMBOL), each)

    async with beside(reply(), "engine"):
        yield
    await unsubscribe()


def test_a_command_says_who_why_and_until_when() -> None:
    given = pause(5 * SECOND_NS)

    assert (given.operator, given.reason) == ("ann", "lunch")
    assert given.expires_time - given.time == 5 * SECOND_NS
    assert abs(given.time - time.time_ns()) < 60 * SECOND_NS
    assert given.command_id != pause().command_id


async def test_the_answer_is_the_one_to_this_command(bus: Bus) -> None:
    given = pause()

    async with engine(bus, CommandOutcome.APPLIED):
        found = await give(bus, given)

    assert (found.command_id, found.detail) == (given.command_id, "done so")


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (CommandOutcome.APPLIED, 0, "applied (done so)"),
        (CommandOutcome.UNCHANGED, 0, "nothing to do (done so)"),
        (CommandOutcome.EXPIRED, 1, "expired, not applied (done so)"),
        (CommandOutcome.REFUSED, 1, "refused (done so)"),
    ],
)
async def test_the_answer_is_told(
    bus: Bus, outcome: CommandOutcome, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with engine(bus, outcome):
        assert await control(bus.url, pause(), timeout_s=10) == code

    assert capsys.readouterr().out == f"pause sim BTC/USDT:USDT: {said}\n"


async def test_no_answer_is_told_and_what_becomes_of_the_command(bus: Bus) -> None:
    await Registry(bus, "symbols").create(subjects.registry_key(VENUE, SYMBOL), ENTRY)

    with pytest.raises(CommandError, match=r"no answer within 0\.1 s: .* applied if one comes within 30 s"):
        await control(bus.url, pause(), timeout_s=0.1)


async def test_a_symbol_that_is_not_traded_is_told_before_anything_is_sent(bus: Bus) -> None:
    with pytest.raises(CommandError, match="sim BTC/USDT:USDT is not traded here; there is: none"):
        await control(bus.url, pause(), timeout_s=10)

    assert await bus.last("CONTROL", subjects.command(VENUE, SYMBOL, "pause")) is None
