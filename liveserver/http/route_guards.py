"""Route guards: authenticate the sender of a request, and authorise an action."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from liveserver.auth.authenticator import Authenticator
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import Action, Identity
from liveserver.http.errors import RequestRejected
from liveserver.http.middleware import request_info

Connection = ASGIConnection[Any, Any, Any, Any]
RouteGuard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

IDENTITY = "identity"
SECURITY_SCHEMES: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
"""The alternatives to authenticate, in OpenAPI's notation."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


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
            authenticator.check_request_rate(identity, now),
        )
        for error in errors:
            if error is not None:
                raise RequestRejected(error)
        is_change = connection.scope.get("method") not in SAFE_METHODS
        if is_change and (error := authenticator.check_origin(request, identity)) is not None:
            raise RequestRejected(error)
        connection.state[IDENTITY] = identity

    return check


def identity_of(authenticator: Authenticator, connection: Connection) -> Identity:
    """Return the identity of a request's sender, ANONYMOUS without valid credentials.

    Not an authorisation: routes that need one use `requires`.
    """
    known = connection.state.get(IDENTITY)
    if isinstance(known, Identity):
        return known
    request = request_info(connection.scope, authenticator)
    return authenticator.authenticate_or_anonymous(request, asyncio.get_running_loop().time())
