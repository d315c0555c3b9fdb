"""Give operator commands to the engine: authorised, durable, applied at most once, answered."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing, suppress
from typing import Any

import msgspec

from bus import Bus, BusError
from bus.commands import (
    CommandIdInUse,
    addressed_symbols,
    find_command,
    results,
    results_of_all,
    store_command,
    traded_symbols,
)
from bus.runtime import new_id, time_ns
from liveserver.auth.authenticator import Authenticator, RequestInfo
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import Identity, required_action
from liveserver.commands.answers import CommandProgress
from liveserver.hub.replica import Replica
from liveserver.protocol.client_messages import ControlRequest
from liveserver.protocol.session_messages import CommandAnswer
from liveserver.protocol.symbol_names import Market, markets_named
from schemas import subjects
from schemas.engine.control import Command, CommandName, CommandResult
from schemas.grid.settings import NEW_GRID
from schemas.subjects import ALL
from schemas.units import SECOND_NS, Symbol, TimeNs, VenueId

RESERVED_FIELDS = frozenset(
    {"venue", "symbol", "command_id", "name", "operator", "reason", "time", "expires_time"}
)
"""Fields of a command that a request's arguments cannot set."""

ARGUMENTS = tuple(name for name in Command.__struct_fields__ if name not in RESERVED_FIELDS)

STORE_TIMEOUT_S = 5.0
"""Time for the bus to store a command; after that it is not known whether it is stored."""
COMPLETION_S = 120.0
"""Time for which a command is followed after each of its results."""

NO_BUS = ErrorResponse(
    503, "no_bus", "the bus does not answer, so commands cannot be given", "retry when /health is ok"
)
BUS_FAILED = ErrorResponse(
    503,
    "no_bus",
    "the bus failed before it confirmed the command; the command may have been given",
    "repeat it with the same `key`: it is applied once",
)


class CommandService:
    """Gives commands through the bus of a replica, and looks up their answers."""

    def __init__(
        self, replica: Replica, authenticator: Authenticator, wall_ns: Callable[[], TimeNs] = time_ns
    ) -> None:
        self._replica = replica
        self._authenticator = authenticator
        self._wall_ns = wall_ns

    async def give(
        self, request: ControlRequest, identity: Identity, info: RequestInfo
    ) -> CommandAnswer | ErrorResponse:
        """Give a command and return its newest answer: the final one, or the one after `wait_s`.

        An error means that the command was not given, except for `no_bus` with the text of `BUS_FAILED`.
        """
        until = asyncio.get_running_loop().time() + request.wait_s
        async with aclosing(self.follow(request, identity, info)) as answers:
            newest = await anext(answers)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    async for answer in answers:
                        newest = answer
        return newest

    async def follow(
        self, request: ControlRequest, identity: Identity, info: RequestInfo
    ) -> AsyncGenerator[CommandAnswer | ErrorResponse, None]:
        """Give a command and yield its answers until the final one; ends earlier when none comes for a long time.

        The first is an error, or that of the engine; without one in `wait_s` it is `given`: the bus has stored the command.
        """
        newest = "canceled"
        try:
            async with aclosing(self._follow(request, identity, info)) as answers:
                async for answer in answers:
                    newest = (
                        answer.error if isinstance(answer, ErrorResponse) else answer.outcome or answer.state
                    )
                    yield answer
        finally:
            self._replica.metrics.commands.labels(newest).inc()

    async def answer_to(self, command_id: str) -> CommandAnswer | ErrorResponse:
        """Return the newest answer to a command of the last 24 hours, given through any replica or the command line."""
        bus = self._replica.bus
        if bus is None:
            return NO_BUS
        try:
            progress = CommandProgress.of(await find_command(bus, command_id), lambda: self._replica.parts)
        except BusError:
            return NO_BUS
        if progress is None:
            return ErrorResponse(404, "unknown_command", f"no command {command_id} in the last 24 hours")
        return progress.answer(self._wall_ns())

    async def _follow(
        self, request: ControlRequest, identity: Identity, info: RequestInfo
    ) -> AsyncGenerator[CommandAnswer | ErrorResponse, None]:
        error = self._authenticator.authorize(info, identity, required_action(request.command))
        command = error or self._command(request, identity)
        bus = self._replica.bus
        if isinstance(command, ErrorResponse) or bus is None:
            yield command if isinstance(command, ErrorResponse) else NO_BUS
            return
        progress = CommandProgress(command, request.key, lambda: self._replica.parts)
        sequence = await _stored(bus, command, progress)
        if isinstance(sequence, ErrorResponse):
            yield sequence
            return
        try:
            async with aclosing(self._answers(bus, command, sequence, progress, request)) as answers:
                async for answer in answers:
                    yield answer
        except CommandIdInUse as error:
            yield ErrorResponse(409, "other_command", str(error), "use a new key for each command")

    async def _answers(
        self, bus: Bus, command: Command, sequence: int, progress: CommandProgress, request: ControlRequest
    ) -> AsyncGenerator[CommandAnswer, None]:
        """Yield the answers to a stored command. Raises: CommandIdInUse."""
        found: asyncio.Queue[CommandResult | CommandIdInUse | None] = asyncio.Queue()
        reading = asyncio.create_task(_read_results(bus, command, sequence, found), name="command_results")
        try:
            patience_s = [request.wait_s, max(request.expires_s - request.wait_s, 0)]
            while True:
                try:
                    async with asyncio.timeout(patience_s.pop(0) if patience_s else COMPLETION_S):
                        result = await found.get()
                except TimeoutError:
                    yield progress.answer(self._wall_ns())
                    if not patience_s:
                        return
                    continue
                if isinstance(result, CommandIdInUse):
                    raise result
                if result is None:
                    if not progress.is_final:
                        yield progress.answer(self._wall_ns())
                    return
                patience_s = []
                progress.apply(result)
                yield progress.answer(self._wall_ns())
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    def _command(self, request: ControlRequest, identity: Identity) -> Command | ErrorResponse:
        market = self._market(request)
        if isinstance(market, ErrorResponse):
            return market
        if unknown := set(request.arguments) - set(ARGUMENTS):
            what = f"unknown command arguments: {', '.join(sorted(unknown))}"
            return ErrorResponse(400, "bad_request", what, f"supported arguments: {', '.join(ARGUMENTS)}")
        now = self._wall_ns()
        fields = {
            **_arguments(request),
            "type": "Command",
            "venue": market.venue,
            "symbol": market.symbol,
            "command_id": _command_id(identity.name, request.key),
            "name": request.command,
            "operator": identity.name,
            "reason": request.reason,
            "time": now,
            "expires_time": now + int(request.expires_s * SECOND_NS),
        }
        try:
            return msgspec.convert(fields, Command)
        except msgspec.ValidationError as error:
            return ErrorResponse(400, "bad_request", f"invalid arguments: {error}")

    def _market(self, request: ControlRequest) -> Market | ErrorResponse:
        projection = self._replica.projection
        names = projection.names if projection else {}
        served = self._replica.symbols_served
        if request.symbol == ALL:
            return _all_symbols(request, {market.venue for market in names}, served)
        found = markets_named(request.symbol, names, request.venue)
        if len(found) == 1:
            return found[0]
        if found:
            venues = ", ".join(market.venue for market in found)
            what = f"{request.symbol} is traded on several venues: {venues}"
            return ErrorResponse(400, "ambiguous_symbol", what, "name the venue")
        # A symbol to add is not known yet, so it must be named by venue and ccxt symbol.
        is_new = request.command is CommandName.ADD and request.venue and "/" in request.symbol
        if is_new and (not served or request.symbol in served):
            return _validated(Market(VenueId(request.venue), Symbol(request.symbol)))
        known = ", ".join(names.values()) or "none yet"
        what = f"{request.symbol} is not served here" if served else f"unknown symbol {request.symbol}"
        return ErrorResponse(404, "unknown_symbol", what, f"known symbols: {known}")


def _all_symbols(
    request: ControlRequest, venues: Collection[VenueId], served: Collection[Symbol]
) -> Market | ErrorResponse:
    if served:
        what = (
            f"this server has {', '.join(sorted(served))} only: a command to all symbols is not served here"
        )
        return ErrorResponse(400, "not_served", what, "name one symbol, or use another server")
    if request.venue in {"", ALL, *venues}:
        return Market(VenueId(request.venue or ALL), Symbol(ALL))
    known = ", ".join(sorted(venues)) or "none yet"
    return ErrorResponse(404, "unknown_venue", f"unknown venue {request.venue}", f"known venues: {known}")


def _arguments(request: ControlRequest) -> dict[str, Any]:
    """Return the arguments; a symbol is added with the settings of a new grid unless others are given, as from a file."""
    settings = request.arguments.get("settings")
    if not isinstance(settings, dict):
        return request.arguments
    return {**request.arguments, "settings": {**msgspec.to_builtins(NEW_GRID), **settings}}


async def _stored(bus: Bus, command: Command, progress: CommandProgress) -> int | ErrorResponse:
    """Store a command and return its sequence, or why it was not given."""
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            if (rejected := await _not_traded(bus, command)) is not None:
                return rejected
            progress.expect(await addressed_symbols(bus, command))
            return await store_command(bus, command)
    except (BusError, TimeoutError):
        return BUS_FAILED


async def _not_traded(bus: Bus, command: Command) -> ErrorResponse | None:
    if command.name is CommandName.ADD or command.symbol == ALL:
        return None
    if subjects.registry_key(command.venue, command.symbol) in await traded_symbols(bus):
        return None
    return ErrorResponse(404, "not_traded", f"{command.venue} {command.symbol} is not traded")


async def _read_results(
    bus: Bus, command: Command, sequence: int, into: asyncio.Queue[CommandResult | CommandIdInUse | None]
) -> None:
    """Queue the results of a stored command, then None, also when they cannot be read any more."""
    read = results_of_all if command.symbol == ALL else results
    try:
        async with aclosing(read(bus, command, sequence)) as found:
            async for result in found:
                into.put_nowait(result)
    except CommandIdInUse as error:
        into.put_nowait(error)
    except BusError:
        pass  # such as a stream that was recreated: the command was stored, and its answer can be looked up
    finally:
        into.put_nowait(None)


def _validated(market: Market) -> Market | ErrorResponse:
    try:
        subjects.registry_key(market.venue, market.symbol)
    except ValueError as error:
        return ErrorResponse(400, "bad_request", str(error))
    return market


def _command_id(operator: str, key: str) -> str:
    if not key:
        return new_id()[:16]
    return hashlib.sha256(f"{operator}\0{key}".encode()).hexdigest()[:16]
