"""Commands over HTTP: given, answered, and asked for later."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody

from liveserver.auth.authenticator import Guard
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import Action
from liveserver.commands.service import Commanding
from liveserver.http.errors import ERRORS, Refused
from liveserver.http.middleware import asking
from liveserver.http.route_guards import LOG_IN, identity_of, needs
from liveserver.protocol.answers import CommandAnswer, CommandState
from liveserver.protocol.client_messages import ControlRequest

AnyRequest = Request[Any, Any, Any]
Key = Annotated[str, HeaderParameter(name="Idempotency-Key", max_length=128, description="the same as `key`")]

ACCEPTED = ResponseSpec(
    CommandAnswer, description="It is on the bus; the engine has not answered yet", generate_examples=False
)


def control_routes(commanding: Commanding, guard: Guard) -> list[HTTPRouteHandler]:
    """Return the routes of commands."""
    security = LOG_IN if guard.access.is_asked_for or guard.access.public else None

    @post(
        "/api/control",
        guards=[needs(guard, Action.OPERATE)],
        status_code=200,
        responses={202: ACCEPTED, **ERRORS},
        security=security,
        tags=["control"],
    )
    async def control(
        request: AnyRequest, data: JSONBody[ControlRequest], key: Key = ""
    ) -> Response[CommandAnswer]:
        """Give the engine a command: durable, applied once, and answered.

        Whatever the engine says, `refused` included, is a 200; 202 is that it has not said anything yet.
        """
        asked = msgspec.structs.replace(data, key=data.key or key)
        answer = await commanding.give(asked, identity_of(guard, request), asking(request.scope, guard))
        return _answer(answer)

    @get(
        "/api/control/{command_id:str}",
        guards=[needs(guard, Action.OPERATE)],
        responses={202: ACCEPTED, **ERRORS},
        security=security,
        tags=["control"],
    )
    async def control_answer(command_id: FromPath[str]) -> Response[CommandAnswer]:
        """Return what became of a command of the last day."""
        return _answer(await commanding.answer_to(command_id))

    return [control, control_answer]


def _answer(answer: CommandAnswer | Refusal) -> Response[CommandAnswer]:
    if isinstance(answer, Refusal):
        raise Refused(answer)
    return Response(answer, status_code=202 if answer.state is CommandState.ACCEPTED else 200)
