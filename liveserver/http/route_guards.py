"""Route guards: authenticate the sender of a request, and authorise an action."""

import asyncio
from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from liveserver.auth.authenticator import MAX_SHOWN_CHARS, Authenticator
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import Action, Identity
from liveserver.http.errors import RequestRejected
from liveserver.http.middleware import IDENTITY, request_info

Connection = ASGIConnection[Any, Any, Any, Any]
RouteGuard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

SECURITY_SCHEMES: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
"""The alternatives to authenticate, in OpenAPI's notation."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
NOT_IN_QUERY = frozenset({"request", "data", "key", "command_id"})
"""Arguments of the handlers that are no query parameters."""


def requires(authenticator: Authenticator, action: Action) -> RouteGuard:
    """Return the guard of routes that require an action."""

    # `async` although nothing is awaited: Litestar runs synchronous guards in a thread.
    async def check(connection: Connection, _: BaseRouteHandler) -> None:
        request = request_info(connection.scope, authenticator)
        now = asyncio.get_running_loop().time()
        identity = authenticator.authenticate(request, now)
        if isinstance(identity, ErrorResponse):
            raise RequestRejected(identity)
        errors = (
            authenticator.authorize(request, identity, action),
            authenticator.check_request_rate(identity, request.address, now),
        )
        for error in errors:
            if error is not None:
                raise RequestRejected(error)
        is_change = connection.scope.get("method") not in SAFE_METHODS
        if is_change and (error := authenticator.check_origin(request, identity)) is not None:
            raise RequestRejected(error)
        connection.state[IDENTITY] = identity

    return check


async def check_parameters(connection: Connection, handler: BaseRouteHandler) -> None:
    """Reject a request with a query parameter that its route does not know, or that is repeated.

    Raises: RequestRejected.
    """
    query = connection.query_params
    known = [name for name in handler.parsed_fn_signature.parameters if name not in NOT_IN_QUERY]
    for name in query:
        if name not in known:
            near = get_close_matches(name[:MAX_SHOWN_CHARS], known, 1, 0.4)
            hint = f"did you mean {near[0]}? " if near else ""
            hint += f"parameters: {', '.join(known)}" if known else "this path has no parameters"
            what = f"unknown parameter {name[:MAX_SHOWN_CHARS]!r}"
            raise RequestRejected(ErrorResponse(400, "unknown_parameter", what, hint))
        if len(query.getall(name)) > 1:
            what = f"the parameter {name} is given more than once"
            raise RequestRejected(ErrorResponse(400, "repeated_parameter", what, "give it once"))


def identity_of(authenticator: Authenticator, connection: Connection) -> Identity:
    """Return the identity of a request's sender, ANONYMOUS without valid credentials.

    Not an authorisation: routes that need one use `requires`.
    """
    known = connection.state.get(IDENTITY)
    if isinstance(known, Identity):
        return known
    request = request_info(connection.scope, authenticator)
    return authenticator.authenticate_or_anonymous(request, asyncio.get_running_loop().time())
