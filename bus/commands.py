"""Operator commands: submit a command and follow its results, or find an earlier one."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import NamedTuple

from bus.client.connection import Bus
from bus.errors import Ambiguous, StreamGone
from bus.runtime import time_ns
from bus.streams.history import Batch
from bus.streams.reader import read
from bus.streams.registry import Registry
from bus.streams.start import FromSequence, FromTime
from bus.symbols import BUCKET
from schemas import subjects
from schemas.codec import UndecodableError, decode
from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.subjects import ALL, ALL_VENUES, Stream
from schemas.units import SECOND_NS, Symbol, VenueId

ATTEMPT_TIMEOUT_S = 1.0
MAX_AGE_NS = 24 * 3600 * SECOND_NS
"""How far back `find_command` searches."""
ALL_COMMANDS = "control.>"


class CommandIdInUse(Exception):
    """A different command with the same id was stored before. The new command was not stored."""


class AddressedSymbol(NamedTuple):
    """A symbol that a command to all symbols is forwarded to."""

    venue: VenueId
    symbol: Symbol


class CommandRecord(NamedTuple):
    """A command and its newest result; None for a part that was not found."""

    command: Command | None
    result: CommandResult | None
    by_symbol: Mapping[AddressedSymbol, CommandResult | None] = MappingProxyType({})
    """Of a command to all symbols: the newest result of each symbol that it was forwarded to; None without one yet."""


async def results(
    bus: Bus, command: Command, sequence: int | None = None
) -> AsyncGenerator[CommandResult, None]:
    """Store a command and yield its results: `accepted` where the engine needs time to complete it, then the final one.

    Storing is retried until the bus acknowledges it. The stream drops repetitions by the command id for two minutes: a
    command with the same id and content, submitted in that time, gets the results of the first. Ends after the final
    result; waits for it without limit. Leave it with `contextlib.aclosing` when the loop may end early, which does not
    revoke the command.
    Of a command to all symbols this is only the portfolio's answer: see `results_of_all`.
    Raises: CommandIdInUse; StreamGone and the other errors of `Bus.store`.
    """
    if sequence is None:
        sequence = await store_command(bus, command)
    filters = [
        subjects.command(command.venue, command.symbol, command.name),
        subjects.command_result(command.venue, command.symbol),
    ]
    async with aclosing(_batches(bus, filters, command, sequence)) as batches:
        async for batch in batches:
            for event in _events(batch):
                if isinstance(event, CommandResult) and event.command_id == command.command_id:
                    yield event
                    if event.is_final:
                        return


async def results_of_all(
    bus: Bus, command: Command, sequence: int | None = None
) -> AsyncGenerator[CommandResult, None]:
    """Store a command to all symbols and yield the portfolio's answer, then the results of each symbol as they come.

    Like `results`; ends when each symbol has a final result, at once if the portfolio does not forward the command. A caller
    that stops waiting learns from `addressed_symbols` which symbols have not answered.
    """
    is_answered = False
    is_final = {forwarded_id(command, each): False for each in await addressed_symbols(bus, command)}
    if sequence is None:
        sequence = await store_command(bus, command)
    async with aclosing(_batches(bus, [ALL_COMMANDS], command, sequence)) as batches:
        async for batch in batches:
            for event in _events_of(batch, command):
                if isinstance(event, CommandResult):
                    yield event
                if event.command_id != command.command_id:
                    # A symbol may have been added to the traded ones, or removed, since they were read.
                    is_final[event.command_id] = is_final.get(event.command_id, False) or (
                        isinstance(event, CommandResult) and event.is_final
                    )
                elif isinstance(event, CommandResult):
                    does_forward = is_forwarded(command, event)
                    is_answered = event.is_final or does_forward
                    if event.is_final and not does_forward:
                        return
            if batch.caught_up and is_answered and all(is_final.values()):
                return


async def submit(bus: Bus, command: Command) -> CommandResult:
    """Store a command and return its final result: see `results`. Of a command to all symbols, the portfolio's answer."""
    async with aclosing(results(bus, command)) as found:
        async for result in found:
            if result.is_final:
                return result
    raise AssertionError("the results end with the final one")


async def find_command(bus: Bus, command_id: str) -> CommandRecord:
    """Return a command of the last 24 hours and its newest result, as far as they are stored."""
    command: Command | None = None
    result: CommandResult | None = None
    by_symbol: dict[AddressedSymbol, CommandResult | None] = {}
    start = FromTime(time_ns() - MAX_AGE_NS)
    async with aclosing(read(bus, Stream.CONTROL, [ALL_COMMANDS], start)) as batches:
        async for batch in batches:
            for event in _events(batch):
                if not isinstance(event, Command | CommandResult):
                    continue
                if event.command_id.startswith(f"{command_id}."):
                    key = AddressedSymbol(event.venue, event.symbol)
                    by_symbol[key] = event if isinstance(event, CommandResult) else by_symbol.get(key)
                elif event.command_id == command_id and isinstance(event, Command):
                    command = event
                elif event.command_id == command_id and isinstance(event, CommandResult):
                    result = event
            if batch.caught_up:
                break
    return CommandRecord(command, result, by_symbol)


async def traded_symbols(bus: Bus) -> set[str]:
    """Return the registry keys of the traded symbols: `sim.BTC-USDT_USDT`."""
    try:
        return set(await Registry(bus, BUCKET).entries())
    except StreamGone:
        return set()


async def addressed_symbols(bus: Bus, command: Command) -> list[AddressedSymbol]:
    """Return the traded symbols that a command to all symbols is forwarded to, sorted; empty for another command."""
    if not _is_for_symbols(command):
        return []
    keys = (key.partition(".") for key in await traded_symbols(bus))
    found = (AddressedSymbol(VenueId(venue), Symbol(subjects.unescape(token))) for venue, _, token in keys)
    return sorted(each for each in found if command.venue in {ALL_VENUES, each.venue})


def forwarded_id(command: Command, to: AddressedSymbol) -> str:
    """Return the id of a command to all symbols as it is forwarded to one: `c1.BTC/USDT:USDT`.

    With the venue if the command is to all venues: `c1.sim.BTC/USDT:USDT`.
    """
    venue = f".{to.venue}" if command.venue == ALL_VENUES else ""
    return f"{command.command_id}{venue}.{to.symbol}"


def is_forwarded(command: Command, answer: CommandResult) -> bool:
    """Return whether each symbol gives a result of its own after the portfolio's answer."""
    return _is_for_symbols(command) and answer.outcome in {CommandOutcome.ACCEPTED, CommandOutcome.APPLIED}


def is_same(one: Command, other: Command) -> bool:
    """Return whether two commands are equal except for their times."""
    return _without_times(one) == _without_times(other)


async def store_command(bus: Bus, command: Command) -> int:
    """Store a command, retrying until the bus acknowledges it, and return its sequence, for `results`.

    Raises: StreamGone and the other errors of `Bus.store`.
    """
    subject = subjects.command(command.venue, command.symbol, command.name)
    while True:
        try:
            return await bus.store(
                subject, command, message_id=command.command_id, timeout_s=ATTEMPT_TIMEOUT_S
            )
        except Ambiguous:
            continue  # the stream discards the repetition by its message id


async def _batches(
    bus: Bus, filters: list[str], command: Command, sequence: int
) -> AsyncGenerator[Batch, None]:
    """Yield the messages from a stored command on. Raises: CommandIdInUse when another command is stored there."""
    is_stored = False
    async with aclosing(read(bus, Stream.CONTROL, filters, FromSequence(sequence))) as batches:
        async for batch in batches:
            if batch.messages and not is_stored:
                first = batch.messages[0]
                event = next(_events(batch))
                is_stored = (
                    first.sequence == sequence and isinstance(event, Command) and is_same(event, command)
                )
                if not is_stored:
                    raise CommandIdInUse(
                        f"the command id {command.command_id} was used for another command: choose a new id"
                    )
            yield batch


def _events(batch: Batch) -> Iterator[object]:
    for received in batch.messages:
        try:
            yield decode(received.data)
        except UndecodableError:
            yield None


def _events_of(batch: Batch, command: Command) -> Iterator[Command | CommandResult]:
    """Yield a command to all symbols and its results, and those of the commands that it was forwarded as."""
    for event in _events(batch):
        if isinstance(event, Command | CommandResult):
            forwarded = forwarded_id(command, AddressedSymbol(event.venue, event.symbol))
            if event.command_id in {command.command_id, forwarded}:
                yield event


def _is_for_symbols(command: Command) -> bool:
    """Return whether the portfolio forwards a command: it applies some commands to all venues itself."""
    if command.symbol != ALL or command.name is CommandName.ADD:
        return False
    return command.venue != ALL_VENUES or command.name not in {CommandName.TRIP, CommandName.RESET}


def _without_times(command: Command) -> tuple[object, ...]:
    fields = [name for name in command.__struct_fields__ if name not in {"time", "expires_time"}]
    return tuple(getattr(command, name) for name in fields)
