"""Login sessions: a token is exchanged for a cookie that scripts cannot read (HttpOnly).

The cookie holds the token itself, so that any replica can verify it and none stores sessions. A key that is removed from
the configuration is rejected in cookies too.
"""

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, route
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from liveserver.auth.authenticator import COOKIE, Authenticator, RequestInfo
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import Action, Identity, Role, required_action
from liveserver.commands.effects import EFFECTS
from liveserver.http.errors import BAD_BODY, ERRORS, RequestRejected
from liveserver.http.middleware import request_info
from liveserver.http.route_guards import identity_of
from schemas.engine.control import CommandName

WITH_ARGUMENTS = frozenset({"add", "set"})
"""Commands that require arguments, for which a button is not enough."""

AnyRequest = Request[Any, Any, Any]


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The credentials to log in with."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=3500)]
    """An API key or a JWT."""


class CommandOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A command that the identity may give."""

    name: str
    takes_arguments: bool
    effect: str = ""
    """The effect of the command, as a sentence."""


class SessionData(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of the client, and its permissions."""

    name: str
    role: Role
    expires: int | None
    """Expiry of the token, in seconds since the epoch."""
    is_identified: bool
    can_log_in: bool
    """Whether keys or tokens are configured."""
    may_watch: bool
    """Whether the page shows anything without logging in."""
    redacted: bool
    commands: list[CommandOffer]


def session_routes(authenticator: Authenticator) -> list[HTTPRouteHandler]:
    """Return the routes to log in, to log out, and to query the session."""

    @get("/api/session", security=[{}], responses=ERRORS, tags=["session"])
    async def session(request: AnyRequest) -> SessionData:
        """Return the identity of the client, and its permissions."""
        return _session_data(authenticator, identity_of(authenticator, request))

    @post(
        "/api/session",
        security=[{}],
        responses=ERRORS,
        status_code=200,
        tags=["session"],
        exception_handlers=BAD_BODY,
    )
    async def log_in(request: AnyRequest, data: JSONBody[Login]) -> Response[SessionData]:
        """Verify a token and set the session cookie: HttpOnly, SameSite=Strict, and Secure on https."""
        info = request_info(request.scope, authenticator)
        _reject_foreign_page(authenticator, info)
        found = authenticator.verify_token(data.token, info.address, asyncio.get_running_loop().time())
        if isinstance(found, ErrorResponse):
            raise RequestRejected(found)
        return Response(
            _session_data(authenticator, found, is_identified=True),
            cookies=[_cookie(authenticator, request, data, found)],
        )

    @delete(
        "/api/session",
        security=[{}],
        responses=ERRORS,
        response_cookies=[Cookie(key=COOKIE, value="", max_age=0, httponly=True, samesite="strict")],
        tags=["session"],
    )
    async def log_out(request: AnyRequest) -> None:
        """Delete the session cookie."""
        _reject_foreign_page(authenticator, request_info(request.scope, authenticator))

    @route("/api/session", http_method=["OPTIONS"], include_in_schema=False)
    async def methods() -> Response[None]:
        return Response(None, status_code=204, headers={"allow": "DELETE, GET, OPTIONS, POST"})

    return [methods, session, log_in, log_out]  # the first route of a path answers OPTIONS


def _reject_foreign_page(authenticator: Authenticator, info: RequestInfo) -> None:
    # Login CSRF: another site's page must neither log a visitor in nor out.
    if info.origin is not None and (error := authenticator.check_own_page(info)) is not None:
        raise RequestRejected(error)


def _cookie(authenticator: Authenticator, request: AnyRequest, login: Login, identity: Identity) -> Cookie:
    if identity.expires is None:
        lifetime_s = authenticator.access.session_s
    else:
        lifetime_s = identity.expires - authenticator.wall_clock()
    return Cookie(
        key=COOKIE,
        value=login.token,
        max_age=max(1, int(lifetime_s)),
        httponly=True,
        samesite="strict",
        secure=_is_https(authenticator, request),
    )


def _is_https(authenticator: Authenticator, request: AnyRequest) -> bool:
    if (request.headers.get("origin") or "").startswith("https://"):
        return True
    peer = request.client.host if request.client else ""
    return authenticator.proxies.is_trusted(peer) and request.headers.get("x-forwarded-proto") == "https"


def _session_data(
    authenticator: Authenticator, identity: Identity, *, is_identified: bool | None = None
) -> SessionData:
    access = authenticator.access
    return SessionData(
        name=identity.name,
        role=identity.role,
        expires=None if identity.expires is None else int(identity.expires),
        is_identified=identity.is_authenticated if is_identified is None else is_identified,
        can_log_in=access.has_credentials,
        may_watch=identity.is_allowed(Action.WATCH_ALL) or access.public,
        redacted=identity.is_redacted,
        commands=[
            CommandOffer(name=name, takes_arguments=name in WITH_ARGUMENTS, effect=EFFECTS[name])
            for name in CommandName
            if identity.is_allowed(required_action(name))
        ],
    )
