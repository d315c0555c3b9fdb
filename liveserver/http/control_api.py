"""Operator commands over HTTP: give a command, and look up its answer later."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody

from liveserver.auth.authenticator import Authenticator
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import Action
from liveserver.commands.service import CommandService
from liveserver.http.errors import BAD_BODY, ERRORS, RequestRejected
from liveserver.http.middleware import request_info
from liveserver.http.route_guards import SECURITY_SCHEMES, check_parameters, identity_of, requires
from liveserver.protocol.client_messages import ControlRequest
from liveserver.protocol.session_messages import CommandAnswer

AnyRequest = Request[Any, Any, Any]
Key = Annotated[str, HeaderParameter(name="Idempotency-Key", max_length=128, description="the same as `key`")]

ACCEPTED = ResponseSpec(
    CommandAnswer,
    description="The command was stored on the bus; the engine has not answered, or not completed it, yet",
    generate_examples=False,
)


def control_routes(command_service: CommandService, authenticator: Authenticator) -> list[HTTPRouteHandler]:
    """Return the routes for operator commands."""
    security = (
        SECURITY_SCHEMES if authenticator.access.has_credentials or authenticator.access.public else None
    )

    @post(
        "/api/control",
        guards=[requires(authenticator, Action.OPERATE), check_parameters],
        status_code=200,
        responses={202: ACCEPTED, **ERRORS},
        security=security,
        tags=["control"],
        exception_handlers=BAD_BODY,
    )
    async def control(
        request: AnyRequest, data: JSONBody[ControlRequest], key: Key = ""
    ) -> Response[CommandAnswer]:
        """Give the engine a command. It is durable and applied at most once, if repeated with the same `key`.

        A final answer of the engine, `refused` included, has status 200; 202 means that there is none within `wait_s`.
        The symbol `_all` stands for all symbols (of the venue, if given); `answers` then has that of each one.
        """
        command = msgspec.structs.replace(data, key=data.key or key)
        answer = await command_service.give(
            command, identity_of(authenticator, request), request_info(request.scope, authenticator)
        )
        return _answer(answer)

    @get(
        "/api/control/{command_id:str}",
        guards=[requires(authenticator, Action.OPERATE), check_parameters],
        responses={202: ACCEPTED, **ERRORS},
        security=security,
        tags=["control"],
    )
    async def control_answer(command_id: FromPath[str]) -> Response[CommandAnswer]:
        """Return the newest answer to a command of the last 24 hours."""
        return _answer(await command_service.answer_to(command_id))

    return [control, control_answer]


def _answer(answer: CommandAnswer | ErrorResponse) -> Response[CommandAnswer]:
    if isinstance(answer, ErrorResponse):
        raise RequestRejected(answer)
    return Response(answer, status_code=200 if answer.final else 202)
