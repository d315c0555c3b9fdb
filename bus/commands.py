"""Commands on the bus: stored once however often that is tried, answered by the engine, and asked for later."""

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
from schemas import subjects
from schemas.codec import UndecodableError, decode
from schemas.engine.control import Command, CommandResult
from schemas.subjects import Stream
from schemas.units import SECOND_NS

ATTEMPT_S = 1.0
REMEMBERED_NS = 24 * 3600 * SECOND_NS
"""How far back a command is looked for."""


class OtherCommand(Exception):
    """There was another command with the same id: this one was not stored."""


class Given(NamedTuple):
    """A command and its answer, as far as they are known."""

    command: Command | None
    result: CommandResult | None


async def give(bus: Bus, command: Command) -> CommandResult:
    """Store a command, once however often it has to be tried, and return the engine's answer.

    A repetition within two minutes, with the same id, is answered as the first was. Cancel it to wait no longer: the
    command stays.
    Raises: OtherCommand; StreamGone and what else `Bus.store` does.
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
    raise OtherCommand(f"the id {command.command_id} was given to another command before")


async def look_up(bus: Bus, command_id: str) -> Given:
    """Return what the bus has of a command of the last day."""
    command: Command | None = None
    start = FromTime(time.time_ns() - REMEMBERED_NS)
    async with aclosing(read(bus, Stream.CONTROL, ["control.>"], start)) as batches:
        async for batch in batches:
            for received in batch.messages:
                event = _event(received)
                if isinstance(event, CommandResult) and event.command_id == command_id:
                    return Given(command, event)
                if isinstance(event, Command) and event.command_id == command_id:
                    command = event
            if batch.caught_up:
                break
    return Given(command, None)


async def traded(bus: Bus) -> set[str]:
    """Return the keys of the symbols that are traded: see `subjects.registry_key`."""
    try:
        return set(await Registry(bus, "symbols").entries())
    except StreamGone:
        return set()


def is_same(one: Command, other: Command) -> bool:
    """Tell whether two commands ask for the same: when they were given is not part of it."""
    return _untimed(one) == _untimed(other)


async def _store(bus: Bus, command: Command) -> int:
    subject = subjects.command(command.venue, command.symbol, command.name)
    while True:
        try:
            return await bus.store(subject, command, message_id=command.command_id, timeout_s=ATTEMPT_S)
        except Ambiguous:
            continue  # the bus tells repetitions by the id


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


def _untimed(command: Command) -> tuple[object, ...]:
    fields = [name for name in command.__struct_fields__ if name not in {"time", "expires_time"}]
    return tuple(getattr(command, name) for name in fields)
