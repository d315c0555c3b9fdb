"""Who sends an HTTP request, and the guards that routes have for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from liveserver.auth.authenticator import Guard
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import Action, Identity
from liveserver.http.errors import Refused
from liveserver.http.middleware import asking

Connection = ASGIConnection[Any, Any, Any, Any]
RouteGuard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

IDENTITY = "identity"
LOG_IN: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
"""How one says who one is, as the API's document has it."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def needs(guard: Guard, action: Action) -> RouteGuard:
    """Return the guard of routes that only those may use who may do something."""

    # A coroutine, which awaits nothing: what is none is run in a thread.
    async def check(connection: Connection, _: BaseRouteHandler) -> None:
        asked = asking(connection.scope, guard)
        now = asyncio.get_running_loop().time()
        identity = _or_refused(guard.identify(asked, now))
        for why_not in (guard.refuse(asked, identity, action), guard.may_ask(identity, now)):
            if why_not is not None:
                raise Refused(why_not)
        is_change = connection.scope.get("method") not in SAFE
        if is_change and (why_not := guard.may_change(asked, identity)) is not None:
            raise Refused(why_not)
        connection.state[IDENTITY] = identity

    return check


def identity_of(guard: Guard, connection: Connection) -> Identity:
    """Return who asks; of those who cannot say, anybody. Not for routes that need something."""
    known = connection.state.get(IDENTITY)
    if isinstance(known, Identity):
        return known
    return guard.recognise(asking(connection.scope, guard), asyncio.get_running_loop().time())


def _or_refused(found: Identity | Refusal) -> Identity:
    if isinstance(found, Refusal):
        raise Refused(found)
    return found
