"""Operator commands: submit a command and wait for its result, or find an earlier one."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from bus.client.connection import Bus
from bus.client.consumer import FromSequence, FromTime, Start
from bus.client.message import Received
from bus.errors import Ambiguous, StreamGone
from bus.streams.reader import read
from bus.streams.registry import Registry
from bus.symbols import BUCKET
from schemas import subjects
from schemas.codec import UndecodableError, decode
from schemas.engine.control import Command, CommandResult
from schemas.subjects import Stream
from schemas.units import SECOND_NS

ATTEMPT_TIMEOUT_S = 1.0
MAX_AGE_NS = 24 * 3600 * SECOND_NS
"""How far back `find_command` searches."""


class CommandIdInUse(Exception):
    """A different command with the same id was stored before. The new command was not stored."""


class CommandRecord(NamedTuple):
    """A command and its result; None for a part that was not found."""

    command: Command | None
    result: CommandResult | None


async def submit(bus: Bus, command: Command) -> CommandResult:
    """Store a command, retrying until the bus acknowledges it, and return the engine's result. Waits without limit.

    The stream drops repetitions by the command id for two minutes: a command with the same id and content, submitted in that
    time, gets the result of the first. Cancelling this
    call stops the waiting, but does not revoke the command.
    Raises: CommandIdInUse; StreamGone and the other errors of `Bus.store`.
    """
    sequence = await _store(bus, command)
    filters = _subjects_of(command)
    is_stored = False
    async with aclosing(_messages(bus, filters, FromSequence(sequence))) as messages:
        async for received in messages:
            event = _event(received)
            if received.sequence == sequence:
                is_stored = isinstance(event, Command) and is_same(event, command)
            if not is_stored:
                break
            if isinstance(event, CommandResult) and event.command_id == command.command_id:
                return event
    raise CommandIdInUse(f"the command id {command.command_id} was used for another command: choose a new id")


async def find_command(bus: Bus, command_id: str) -> CommandRecord:
    """Return a command of the last 24 hours and its result, as far as they are stored."""
    command: Command | None = None
    start = FromTime(time.time_ns() - MAX_AGE_NS)
    async with aclosing(read(bus, Stream.CONTROL, ["control.>"], start)) as batches:
        async for batch in batches:
            for received in batch.messages:
                event = _event(received)
                if isinstance(event, CommandResult) and event.command_id == command_id:
                    return CommandRecord(command, event)
                if isinstance(event, Command) and event.command_id == command_id:
                    command = event
            if batch.caught_up:
                break
    return CommandRecord(command, None)


async def traded_symbols(bus: Bus) -> set[str]:
    """Return the registry keys of the traded symbols: `sim.BTC-USDT_USDT`."""
    try:
        return set(await Registry(bus, BUCKET).entries())
    except StreamGone:
        return set()


def is_same(one: Command, other: Command) -> bool:
    """Return whether two commands are equal except for their times."""
    return _without_times(one) == _without_times(other)


async def _store(bus: Bus, command: Command) -> int:
    subject = subjects.command(command.venue, command.symbol, command.name)
    while True:
        try:
            return await bus.store(
                subject, command, message_id=command.command_id, timeout_s=ATTEMPT_TIMEOUT_S
            )
        except Ambiguous:
            continue  # the stream discards the repetition by its message id


async def _messages(bus: Bus, filters: list[str], start: Start) -> AsyncGenerator[Received, None]:
    async with aclosing(read(bus, Stream.CONTROL, filters, start)) as batches:
        async for batch in batches:
            for received in batch.messages:
                yield received


def _subjects_of(command: Command) -> list[str]:
    return [
        subjects.command(command.venue, command.symbol, command.name),
        subjects.command_result(command.venue, command.symbol),
    ]


def _event(received: Received) -> object:
    try:
        return decode(received.data)
    except UndecodableError:
        return None


def _without_times(command: Command) -> tuple[object, ...]:
    fields = [name for name in command.__struct_fields__ if name not in {"time", "expires_time"}]
    return tuple(getattr(command, name) for name in fields)
