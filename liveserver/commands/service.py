"""Giving the engine a command on somebody's behalf: checked, durable, once, and answered."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable

import msgspec

from bus import Bus, BusError
from bus.commands import Given, OtherCommand, give, look_up, traded
from liveserver.auth.authenticator import Asking, Guard
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import Identity, needed_for
from liveserver.hub.replica import Replica
from liveserver.protocol.answers import CommandAnswer, CommandState
from liveserver.protocol.client_messages import ControlRequest
from liveserver.protocol.server_messages import seconds
from liveserver.protocol.symbol_names import Market
from schemas import subjects
from schemas.engine.control import Command, CommandName, CommandResult
from schemas.units import SECOND_NS, Symbol, TimeNs, VenueId

GIVEN_BY_US = frozenset(
    {"venue", "symbol", "command_id", "name", "operator", "reason", "time", "expires_time"}
)
"""Fields of a command that arguments cannot set."""

ARGUMENTS = tuple(name for name in Command.__struct_fields__ if name not in GIVEN_BY_US)

NO_BUS = Refusal(
    503, "no_bus", "the bus is out of reach, so no command can be given", "ask again when /health is ok"
)


class Commanding:
    """Gives commands through the bus of a replica."""

    def __init__(self, replica: Replica, guard: Guard, wall_ns: Callable[[], TimeNs] = time.time_ns) -> None:
        self._replica = replica
        self._guard = guard
        self._wall_ns = wall_ns

    async def give(
        self, request: ControlRequest, identity: Identity, asking: Asking
    ) -> CommandAnswer | Refusal:
        """Give a command and wait a while for the engine's answer; or say why it was not given."""
        answer = await self._give(request, identity, asking)
        outcome = answer.error if isinstance(answer, Refusal) else answer.outcome or answer.state
        self._replica.metrics.commands.labels(outcome).inc()
        return answer

    async def answer_to(self, command_id: str) -> CommandAnswer | Refusal:
        """Return what has become of a command that was given in the last day, here or elsewhere."""
        bus = self._replica.bus
        if bus is None:
            return NO_BUS
        try:
            found = await look_up(bus, command_id)
        except BusError:
            return NO_BUS
        return _told(found, command_id)

    async def _give(
        self, request: ControlRequest, identity: Identity, asking: Asking
    ) -> CommandAnswer | Refusal:
        why_not = self._guard.refuse(asking, identity, needed_for(request.command))
        command = why_not or self._command(request, identity)
        if isinstance(command, Refusal):
            return command
        bus = self._replica.bus
        return NO_BUS if bus is None else await _give(bus, command, request)

    def _command(self, request: ControlRequest, identity: Identity) -> Command | Refusal:
        market = self._market(request)
        if isinstance(market, Refusal):
            return market
        if wrong := set(request.arguments) - set(ARGUMENTS):
            what = f"a command takes no {', '.join(sorted(wrong))}"
            return Refusal(400, "bad_request", what, f"it may take {', '.join(ARGUMENTS)}")
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
            return Refusal(400, "bad_request", f"the arguments are wrong: {error}")

    def _market(self, request: ControlRequest) -> Market | Refusal:
        projection = self._replica.projection
        found = projection.find(request.symbol, request.venue) if projection else None
        if found is not None:
            return found
        # One that is added is not known yet, and is named in full.
        if request.command is CommandName.ADD and request.venue and "/" in request.symbol:
            return _checked(Market(VenueId(request.venue), Symbol(request.symbol)))
        known = ", ".join(projection.names.values()) if projection else "none yet"
        return Refusal(404, "unknown_symbol", f"there is no symbol {request.symbol}", f"there is {known}")


async def _give(bus: Bus, command: Command, request: ControlRequest) -> CommandAnswer | Refusal:
    try:
        if command.name is not CommandName.ADD and _key(command) not in await traded(bus):
            return Refusal(404, "not_traded", f"{command.venue} {command.symbol} is not traded here")
        async with asyncio.timeout(request.wait_s):
            return _answered(await give(bus, command), request.key)
    except TimeoutError:
        return _accepted(command, request.key)
    except OtherCommand as error:
        return Refusal(409, "other_command", str(error), "choose another key for another command")
    except BusError:
        return NO_BUS


def _checked(market: Market) -> Market | Refusal:
    try:
        subjects.registry_key(market.venue, market.symbol)
    except ValueError as error:
        return Refusal(400, "bad_request", str(error))
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
        detail="no answer yet; it is applied when the engine reads it before it expires",
        time=seconds(command.time),
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
        time=seconds(result.time),
    )


def _told(found: Given, command_id: str) -> CommandAnswer | Refusal:
    if found.result is not None:
        return _answered(found.result)
    if found.command is not None:
        return _accepted(found.command)
    return Refusal(404, "unknown_command", f"there was no command {command_id} in the last day")
