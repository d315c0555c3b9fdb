"""Sending a command and printing its results."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from bus import Bus, Message, Registry
from bus.commands import AddressedSymbol, forwarded_id
from bus.service.service import open_service
from cli.background import background_task
from cli.commands.control import new_command
from cli.control.send import send
from cli.errors import CommandError
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.parts import PartHeartbeat
from schemas.subjects import ALL
from schemas.units import SECOND_NS, Symbol
from tests.builders import BTC, ENTRY, RESULT, SIM

ETH = Symbol("ETH/USDT:USDT")
OF_SIM: dict[str, str] = {"venue": SIM}
PARTS: dict[str, dict[str, str]] = {"engine": {}, "gateway": OF_SIM, "market": OF_SIM, "account": OF_SIM}
Answer = tuple[Symbol, CommandOutcome, str]


def pause(symbol: Symbol = BTC, name: CommandName = CommandName.PAUSE) -> Command:
    return new_command(name, SIM, symbol, reason="lunch", operator="ann", lifetime=30 * SECOND_NS)


def result(command: Command, answer: Answer) -> CommandResult:
    symbol, outcome, detail = answer
    command_id = (
        forwarded_id(command, AddressedSymbol(SIM, symbol))
        if symbol != command.symbol
        else command.command_id
    )
    return replace(
        RESULT, symbol=symbol, command_id=command_id, outcome=outcome, detail=detail, orders_canceled=1
    )


@asynccontextmanager
async def stack(bus: Bus, answers: Sequence[Answer], without: str = "") -> AsyncIterator[None]:
    """Run parts that send heartbeats, and answer the first command."""
    commands: asyncio.Queue[Message] = asyncio.Queue()
    for symbol in (BTC, ETH):
        await Registry(bus, "symbols").create(
            subjects.registry_key(SIM, symbol), replace(ENTRY, symbol=symbol)
        )
    unsubscribe = await bus.subscribe("control.*.*.pause", commands.put_nowait)

    async def reply() -> None:
        command = decode_as((await commands.get()).data, Command)
        for answer in answers:
            await bus.store(subjects.command_result(SIM, answer[0]), result(command, answer))

    async def run(kind: str, labels: dict[str, str]) -> None:
        async with open_service(kind, bus=bus.url, http_port=None, labels=labels):
            await asyncio.get_running_loop().create_future()

    async with background_task(reply(), "engine"), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(run(kind, labels)) for kind, labels in PARTS.items() if kind != without]
        for kind in PARTS.keys() - {without}:
            while await bus.last("PARTS", subjects.part(kind, kind)) is None:
                pass
        yield
        for task in running:
            task.cancel()
    await unsubscribe()


@pytest.mark.parametrize(
    ("outcome", "code", "text"),
    [
        (CommandOutcome.APPLIED, 0, "applied: done so"),
        (CommandOutcome.UNCHANGED, 0, "nothing to do: done so"),
        (CommandOutcome.EXPIRED, 1, "expired, not applied: done so"),
        (CommandOutcome.REFUSED, 1, "refused: done so"),
        (CommandOutcome.INCOMPLETE, 1, "not complete: done so"),
    ],
)
async def test_the_accepted_and_the_final_result_are_printed(
    bus: Bus, outcome: CommandOutcome, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [(BTC, CommandOutcome.ACCEPTED, "12 orders are being canceled"), (BTC, outcome, "done so")]
    async with stack(bus, answers):
        assert await send(bus, pause(), timeout_s=10) == code

    title = "pause sim BTC/USDT:USDT"
    assert capsys.readouterr().out == f"{title}: accepted: 12 orders are being canceled\n{title}: {text}\n"


async def test_a_command_that_is_not_confirmed_in_time_fails(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stack(bus, [(BTC, CommandOutcome.ACCEPTED, "12 orders are being canceled")]):
        assert await send(bus, pause(), timeout_s=0.5) == 1

    assert "accepted, not confirmed within 0.5 s: orders may still be open" in capsys.readouterr().out


async def test_a_command_without_an_answer_says_that_it_is_stored_and_when_it_expires(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stack(bus, []):
        assert await send(bus, pause(), timeout_s=0.1) == 1

    assert "stored, not answered within 0.1 s; it expires in 30 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        ("gateway", "No gateway of venue sim runs"),
        ("engine", "No engine runs"),
    ],
)
async def test_a_missing_part_is_named_with_the_line_that_starts_it(
    bus: Bus, missing: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stack(bus, [], without=missing):
        assert await send(bus, pause(), timeout_s=0.1) == 1

    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(text)
    assert f"Start it: ./opensqt {missing} --bus-url {bus.url}" in first


async def test_a_part_that_falls_silent_during_the_wait_is_named(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stack(
        bus, [(BTC, CommandOutcome.ACCEPTED, "12 orders are being canceled")], without="gateway"
    ):
        heartbeat = PartHeartbeat(kind="gateway", name="gateway", time=1, started_time=1, venues=(SIM,))
        await bus.store(subjects.part("gateway", "gateway"), heartbeat)

        assert await send(bus, pause(), timeout_s=60) == 1

    accepted, silent, unconfirmed = capsys.readouterr().out.splitlines()
    assert "12 orders are being canceled" in accepted
    assert silent.startswith("The gateway has sent no heartbeat since")
    assert "accepted, not confirmed within" in unconfirmed


async def test_an_applied_command_that_nothing_confirms_fails_without_a_gateway(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    command = pause()
    async with stack(bus, [], without="gateway"):
        sending = asyncio.create_task(send(bus, command, timeout_s=3))
        while await bus.last("CONTROL", subjects.command(SIM, BTC, "pause")) is None:
            pass
        unconfirmed = replace(RESULT, command_id=command.command_id)
        await bus.store(subjects.command_result(SIM, BTC), unconfirmed)

        assert await sending == 1
    assert "not confirmed: nothing shows that the venue has done it" in capsys.readouterr().out


async def test_each_symbol_of_a_command_to_all_is_listed(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        (Symbol(ALL), CommandOutcome.APPLIED, "forwarded to 2 symbols"),
        (BTC, CommandOutcome.APPLIED, "no orders left"),
        (ETH, CommandOutcome.REFUSED, "stop_loss is reached"),
    ]
    async with stack(bus, answers):
        assert await send(bus, pause(Symbol(ALL)), timeout_s=10) == 1

    assert capsys.readouterr().out.splitlines() == [
        "pause sim _all: forwarded to 2 symbols",
        "SYMBOL             RESULT   DETAIL",
        "sim BTC/USDT:USDT  applied  no orders left",
        "sim ETH/USDT:USDT  refused  stop_loss is reached",
    ]


async def test_a_symbol_that_does_not_answer_fails_the_command_to_all(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [(Symbol(ALL), CommandOutcome.APPLIED, ""), (BTC, CommandOutcome.APPLIED, "")]
    async with stack(bus, answers):
        assert await send(bus, pause(Symbol(ALL)), timeout_s=1) == 1

    assert "sim ETH/USDT:USDT  no answer  within 1 s; it expires in" in capsys.readouterr().out


async def test_a_silent_bus_is_told_and_nothing_is_stored(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.parts.reader.LOOKUP_TIMEOUT_S", 0.0)
    async with stack(bus, []):
        with pytest.raises(CommandError, match="the command was not stored"):
            await send(bus, pause(), timeout_s=1)
