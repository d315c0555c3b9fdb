"""Give operator commands to the engine: authorised, durable, applied at most once, answered."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable

import msgspec

from bus import Bus, BusError
from bus.commands import CommandIdInUse, CommandRecord, find_command, submit, traded_symbols
from liveserver.auth.authenticator import Authenticator, RequestInfo
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import Identity, required_action
from liveserver.hub.replica import Replica
from liveserver.protocol.client_messages import ControlRequest
from liveserver.protocol.session_messages import CommandAnswer, CommandState
from liveserver.protocol.symbol_names import Market
from liveserver.view.rendering import to_seconds
from schemas import subjects
from schemas.engine.control import Command, CommandName, CommandResult
from schemas.units import SECOND_NS, Symbol, TimeNs, VenueId

RESERVED_FIELDS = frozenset(
    {"venue", "symbol", "command_id", "name", "operator", "reason", "time", "expires_time"}
)
"""Fields of a command that a request's arguments cannot set."""

ARGUMENTS = tuple(name for name in Command.__struct_fields__ if name not in RESERVED_FIELDS)

NO_BUS = ErrorResponse(
    503, "no_bus", "the bus is unreachable, so commands cannot be given", "retry when /health is ok"
)
BUS_FAILED = ErrorResponse(
    503,
    "no_bus",
    "the bus failed before the engine's answer arrived; the command may have been given",
    "repeat it with the same `key`: it is applied once",
)


class CommandService:
    """Gives commands through the bus of a replica, and looks up their answers."""

    def __init__(
        self, replica: Replica, authenticator: Authenticator, wall_ns: Callable[[], TimeNs] = time.time_ns
    ) -> None:
        self._replica = replica
        self._authenticator = authenticator
        self._wall_ns = wall_ns

    async def give(
        self, request: ControlRequest, identity: Identity, info: RequestInfo
    ) -> CommandAnswer | ErrorResponse:
        """Give a command and wait up to `wait_s` for the engine's answer.

        Returns `accepted` when there is no answer in time: then the bus has usually, but not certainly, stored the
        command. An error means that it was not given, except for `no_bus` with the text of `BUS_FAILED`.
        """
        answer = await self._give(request, identity, info)
        outcome = answer.error if isinstance(answer, ErrorResponse) else answer.outcome or answer.state
        self._replica.metrics.commands.labels(outcome).inc()
        return answer

    async def answer_to(self, command_id: str) -> CommandAnswer | ErrorResponse:
        """Return the answer to a command of the last 24 hours, given through any replica or the command line."""
        bus = self._replica.bus
        if bus is None:
            return NO_BUS
        try:
            found = await find_command(bus, command_id)
        except BusError:
            return NO_BUS
        return _state_of(found, command_id)

    async def _give(
        self, request: ControlRequest, identity: Identity, info: RequestInfo
    ) -> CommandAnswer | ErrorResponse:
        error = self._authenticator.authorize(info, identity, required_action(request.command))
        command = error or self._command(request, identity)
        if isinstance(command, ErrorResponse):
            return command
        bus = self._replica.bus
        return NO_BUS if bus is None else await _give(bus, command, request)

    def _command(self, request: ControlRequest, identity: Identity) -> Command | ErrorResponse:
        market = self._market(request)
        if isinstance(market, ErrorResponse):
            return market
        if unknown := set(request.arguments) - set(ARGUMENTS):
            what = f"unknown command arguments: {', '.join(sorted(unknown))}"
            return ErrorResponse(400, "bad_request", what, f"supported arguments: {', '.join(ARGUMENTS)}")
        now = self._wall_ns()
        fields = {
            **request.arguments,
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
        found = projection.find(request.symbol, request.venue) if projection else None
        if found is not None:
            return found
        # A symbol to add is not known yet, so it must be named by venue and ccxt symbol.
        if request.command is CommandName.ADD and request.venue and "/" in request.symbol:
            return _validated(Market(VenueId(request.venue), Symbol(request.symbol)))
        known = ", ".join(projection.names.values()) if projection else "none yet"
        return ErrorResponse(
            404, "unknown_symbol", f"unknown symbol {request.symbol}", f"known symbols: {known}"
        )


async def _give(bus: Bus, command: Command, request: ControlRequest) -> CommandAnswer | ErrorResponse:
    try:
        if command.name is not CommandName.ADD and _key(command) not in await traded_symbols(bus):
            return ErrorResponse(404, "not_traded", f"{command.venue} {command.symbol} is not traded")
        async with asyncio.timeout(request.wait_s):
            return _answered(await submit(bus, command), request.key)
    except TimeoutError:
        return _accepted(command, request.key)
    except CommandIdInUse as error:
        return ErrorResponse(409, "other_command", str(error), "use a new key for each command")
    except BusError:
        return BUS_FAILED


def _validated(market: Market) -> Market | ErrorResponse:
    try:
        subjects.registry_key(market.venue, market.symbol)
    except ValueError as error:
        return ErrorResponse(400, "bad_request", str(error))
    return market


def _key(command: Command) -> str:
    return subjects.registry_key(command.venue, command.symbol)


def _command_id(operator: str, key: str) -> str:
    if not key:
        return secrets.token_hex(8)
    return hashlib.sha256(f"{operator}\0{key}".encode()).hexdigest()[:16]


def _accepted(command: Command, key: str = "") -> CommandAnswer:
    return CommandAnswer(
        command_id=command.command_id,
        state=CommandState.ACCEPTED,
        command=command.name,
        key=key,
        venue=command.venue,
        market=command.symbol,
        detail="no answer yet; the engine applies it unless it expires first",
        time=to_seconds(command.time),
    )


def _answered(result: CommandResult, key: str = "") -> CommandAnswer:
    return CommandAnswer(
        command_id=result.command_id,
        state=CommandState.ANSWERED,
        command=result.name,
        key=key,
        venue=result.venue,
        market=result.symbol,
        outcome=result.outcome,
        detail=result.detail,
        step=result.step,
        time=to_seconds(result.time),
    )


def _state_of(found: CommandRecord, command_id: str) -> CommandAnswer | ErrorResponse:
    if found.result is not None:
        return _answered(found.result)
    if found.command is not None:
        return _accepted(found.command)
    return ErrorResponse(404, "unknown_command", f"no command {command_id} in the last 24 hours")
