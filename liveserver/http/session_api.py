"""Who one is, and being remembered: a token is exchanged for a cookie that no script can read.

The cookie holds the token itself, so that every replica knows it, and none has to remember it. A key that is taken out
of the configuration is worth nothing from then on, in cookies as elsewhere.
"""

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, route
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from liveserver.auth.authenticator import COOKIE, Asking, Guard
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import Action, Identity, Role, needed_for
from liveserver.http.errors import ERRORS, Refused
from liveserver.http.middleware import asking
from liveserver.http.route_guards import identity_of
from schemas.engine.control import CommandName

WITH_ARGUMENTS = frozenset({"add", "set"})
"""Commands that say nothing without arguments: a button is not enough for them."""

AnyRequest = Request[Any, Any, Any]


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to be remembered by."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=3500)]
    """An API key or a JWT."""


class CommandOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A command that one may give."""

    name: str
    takes_arguments: bool


class SessionData(msgspec.Struct, frozen=True, kw_only=True):
    """Who one is to this server, and what one may."""

    name: str
    role: Role
    expires: int | None
    """When the token does, in seconds since the epoch."""
    is_identified: bool
    can_log_in: bool
    """Whether there are keys or tokens at all."""
    may_watch: bool
    """Whether anything is shown without logging in first."""
    redacted: bool
    commands: list[CommandOffer]


def session_routes(guard: Guard) -> list[HTTPRouteHandler]:
    """Return the routes to log in, to log out, and to ask who one is."""

    @get("/api/session", security=[{}], responses=ERRORS, tags=["session"])
    async def whoami(request: AnyRequest) -> SessionData:
        """Who one is, and what one may do."""
        return _session(guard, identity_of(guard, request))

    @post("/api/session", security=[{}], responses=ERRORS, status_code=200, tags=["session"])
    async def log_in(request: AnyRequest, data: JSONBody[Login]) -> Response[SessionData]:
        """Be remembered by a cookie, which is HttpOnly and SameSite=Strict, and Secure on https."""
        asked = asking(request.scope, guard)
        _refuse_foreign(guard, asked)
        found = guard.check(data.token, asked.address, asyncio.get_running_loop().time())
        if isinstance(found, Refusal):
            raise Refused(found)
        return Response(
            _session(guard, found, is_identified=True), cookies=[_cookie(guard, request, data, found)]
        )

    @delete(
        "/api/session",
        security=[{}],
        responses=ERRORS,
        response_cookies=[Cookie(key=COOKIE, value="", max_age=0, httponly=True, samesite="strict")],
        tags=["session"],
    )
    async def log_out(request: AnyRequest) -> None:
        """Be forgotten."""
        _refuse_foreign(guard, asking(request.scope, guard))

    @route("/api/session", http_method=["OPTIONS"], include_in_schema=False)
    async def methods() -> Response[None]:
        return Response(None, status_code=204, headers={"allow": "DELETE, GET, OPTIONS, POST"})

    return [methods, whoami, log_in, log_out]  # those of a path are told by the first


def _refuse_foreign(guard: Guard, asked: Asking) -> None:
    # Somebody else's page must neither log a visitor in nor out.
    if asked.origin is not None and (why_not := guard.why_foreign(asked)) is not None:
        raise Refused(why_not)


def _cookie(guard: Guard, request: AnyRequest, login: Login, identity: Identity) -> Cookie:
    left_s = guard.access.session_s if identity.expires is None else identity.expires - guard.wall_clock()
    return Cookie(
        key=COOKIE,
        value=login.token,
        max_age=max(1, int(left_s)),
        httponly=True,
        samesite="strict",
        secure=_is_https(guard, request),
    )


def _is_https(guard: Guard, request: AnyRequest) -> bool:
    if (request.headers.get("origin") or "").startswith("https://"):
        return True
    peer = request.client.host if request.client else ""
    return guard.proxies.trust(peer) and request.headers.get("x-forwarded-proto") == "https"


def _session(guard: Guard, identity: Identity, *, is_identified: bool | None = None) -> SessionData:
    access = guard.access
    return SessionData(
        name=identity.name,
        role=identity.role,
        expires=None if identity.expires is None else int(identity.expires),
        is_identified=identity.is_named if is_identified is None else is_identified,
        can_log_in=access.is_asked_for,
        may_watch=identity.may(Action.WATCH_ALL) or access.public,
        redacted=identity.is_redacted,
        commands=[
            CommandOffer(name=name, takes_arguments=name in WITH_ARGUMENTS)
            for name in CommandName
            if identity.may(needed_for(name))
        ],
    )
