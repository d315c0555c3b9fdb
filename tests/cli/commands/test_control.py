"""`control`: sending a command and printing its result."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bus import Bus, Message, Registry
from bus.commands import submit
from cli.background import background_task
from cli.commands.control import control, new_command
from cli.errors import CommandError
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.units import SECOND_NS
from tests.cli.events import ENTRY, SYMBOL, VENUE


def pause(lifetime: int = 30 * SECOND_NS) -> Command:
    return new_command(CommandName.PAUSE, VENUE, SYMBOL, reason="lunch", operator="ann", lifetime=lifetime)


def result(
    command: Command, outcome: CommandOutcome = CommandOutcome.APPLIED, detail: str = ""
) -> CommandResult:
    return CommandResult(
        venue=command.venue,
        symbol=command.symbol,
        command_id=command.command_id,
        name=command.name,
        outcome=outcome,
        detail=detail,
        operator=command.operator,
        reason=command.reason,
        step=1,
        time=command.time,
    )


@asynccontextmanager
async def engine(bus: Bus, outcome: CommandOutcome) -> AsyncIterator[None]:
    """Answer the first command, after an answer to a command of another client."""
    commands: asyncio.Queue[Message] = asyncio.Queue()
    await Registry(bus, "symbols").create(subjects.registry_key(VENUE, SYMBOL), ENTRY)
    unsubscribe = await bus.subscribe(subjects.command(VENUE, SYMBOL, "pause"), commands.put_nowait)

    async def reply() -> None:
        command = decode_as((await commands.get()).data, Command)
        for each in (result(pause()), result(command, outcome, "done so")):
            await bus.store(subjects.command_result(VENUE, SYMBOL), each)

    async with background_task(reply(), "engine"):
        yield
    await unsubscribe()


def test_a_command_has_operator_reason_and_expiry() -> None:
    command = pause(5 * SECOND_NS)

    assert (command.operator, command.reason) == ("ann", "lunch")
    assert command.expires_time - command.time == 5 * SECOND_NS
    assert abs(command.time - time.time_ns()) < 60 * SECOND_NS
    assert command.command_id != pause().command_id


async def test_answers_to_other_commands_are_ignored(bus: Bus) -> None:
    command = pause()

    async with engine(bus, CommandOutcome.APPLIED):
        found = await submit(bus, command)

    assert (found.command_id, found.detail) == (command.command_id, "done so")


@pytest.mark.parametrize(
    ("outcome", "code", "text"),
    [
        (CommandOutcome.APPLIED, 0, "applied (done so)"),
        (CommandOutcome.UNCHANGED, 0, "nothing to do (done so)"),
        (CommandOutcome.EXPIRED, 1, "expired, not applied (done so)"),
        (CommandOutcome.REFUSED, 1, "refused (done so)"),
    ],
)
async def test_the_result_is_printed(
    bus: Bus, outcome: CommandOutcome, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with engine(bus, outcome):
        assert await control(bus.url, pause(), timeout_s=10) == code

    assert capsys.readouterr().out == f"pause sim BTC/USDT:USDT: {text}\n"


async def test_a_missing_result_explains_the_fate_of_the_command(bus: Bus) -> None:
    await Registry(bus, "symbols").create(subjects.registry_key(VENUE, SYMBOL), ENTRY)

    with pytest.raises(
        CommandError, match=r"no result within 0\.1 s: .* starts within 30 s still applies it"
    ):
        await control(bus.url, pause(), timeout_s=0.1)


async def test_an_unknown_symbol_is_rejected_before_anything_is_sent(bus: Bus) -> None:
    with pytest.raises(CommandError, match="sim BTC/USDT:USDT is not traded here; traded symbols: none"):
        await control(bus.url, pause(), timeout_s=10)

    assert await bus.last("CONTROL", subjects.command(VENUE, SYMBOL, "pause")) is None
