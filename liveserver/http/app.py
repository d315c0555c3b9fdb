"""The HTTP side, wired: the page and its files, health, status, metrics, sessions and the API, behind the gate."""

from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp, Scope
from litestar.types import Message as AsgiMessage

from bus.metrics import CONTENT_TYPE
from liveserver.auth.authenticator import COOKIE, Guard
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import Action
from liveserver.commands.service import Commanding
from liveserver.http.api import api_routes
from liveserver.http.assets import Asset, Assets
from liveserver.http.control_api import control_routes
from liveserver.http.errors import Refused, answer_error, answer_failure
from liveserver.http.middleware import Gate
from liveserver.http.route_guards import LOG_IN, identity_of, needs
from liveserver.http.session_api import session_routes
from liveserver.hub.replica import Replica
from liveserver.protocol.redaction import pseudonyms
from liveserver.view.older_candles import OlderCandles
from liveserver.websocket.handshake import UNGUARDED

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

LARGEST_BODY = 64 * 1024
"""Bytes: of a command, or of a token."""

SOCKET_ONLY = Refusal(
    426, "upgrade_required", "this address speaks WebSocket", "connect with ws:// or wss://"
)


def create_app(
    replica: Replica, assets: Assets, guard: Guard | None = None, commanding: Commanding | None = None
) -> ASGIApp:
    """Return the application that serves one replica; without a guard it asks for nothing."""
    guard = guard or Guard(UNGUARDED)
    commanding = commanding or Commanding(replica, guard)
    routes = [
        *_page_routes(assets),
        *_state_routes(replica, guard),
        *session_routes(guard),
        *api_routes(replica, guard, pseudonyms(guard.access), OlderCandles()),
        *control_routes(commanding, guard),
    ]
    app = Litestar(
        routes,
        before_send=[add_security_headers],
        exception_handlers={HTTPException: answer_error, Exception: answer_failure},
        openapi_config=_openapi(guard),
        request_max_body_size=LARGEST_BODY,
        logging_config=None,
    )
    return Gate(app, guard, SECURITY_HEADERS)


def _openapi(guard: Guard) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="OpenSQT live server",
        version="1",
        description="What a live server shows and takes. Every error is `{error, what, hint}`; amounts are decimal "
        "strings, `time` is in seconds since the epoch. The public, where it is let in, sees amounts as shares or not "
        "at all.",
        path="/schema",
        render_plugins=[JsonRenderPlugin()],
        use_handler_docstrings=True,
        security=[*LOG_IN, *([] if guard.access.is_asked_for and not guard.access.public else [{}])],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description="An API key or a JWT"),
                "cookie": SecurityScheme(type="apiKey", name=COOKIE, security_scheme_in="cookie"),
            }
        ),
    )


def _page_routes(assets: Assets) -> list[HTTPRouteHandler]:
    @get(["/", "/live"], include_in_schema=False)
    async def page(request: Request[Any, Any, Any]) -> Response[bytes]:
        return _asset_response(assets.get("index.html"), request)

    @get("/static/{name:path}", include_in_schema=False)
    async def static(request: Request[Any, Any, Any]) -> Response[bytes]:
        return _asset_response(assets.get(str(request.path_params["name"])), request)

    @get("/ws", include_in_schema=False)
    async def socket_only() -> None:
        raise Refused(SOCKET_ONLY)

    return [page, static, socket_only]


def _state_routes(replica: Replica, guard: Guard) -> list[HTTPRouteHandler]:
    @get("/health", include_in_schema=False)
    async def health(request: Request[Any, Any, Any]) -> dict[str, object]:
        health = replica.health()
        if identity_of(guard, request).may(Action.WATCH_ALL):
            return health
        # Whoever balances load asks without a token, and needs no more.
        return {name: health[name] for name in ("status", "uptime", "time", "state", "clients")}

    @get("/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, object]]:
        why_not = replica.not_ready()
        body: dict[str, object] = {"ready": why_not is None, "state": replica.state}
        if why_not is None:
            return Response(body)
        return Response({**body, "reason": why_not}, status_code=503, headers={"retry-after": "1"})

    @get("/status", include_in_schema=False, guards=[needs(guard, Action.WATCH_ALL)])
    async def status() -> dict[str, object]:
        return replica.status()

    @get("/metrics", include_in_schema=False, guards=[needs(guard, Action.WATCH_ALL)])
    async def metrics() -> Response[bytes]:
        return Response(replica.exposition(), media_type=CONTENT_TYPE)

    return [health, ready, status, metrics]


async def add_security_headers(message: AsgiMessage, scope: Scope) -> None:
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders(message)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if "cache-control" not in headers:
            headers["cache-control"] = "no-store"


def _asset_response(asset: Asset | None, request: Request[Any, Any, Any]) -> Response[bytes]:
    if asset is None:
        raise NotFoundException(f"there is no {request.url.path}")
    headers = {"etag": asset.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(b"", status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            asset.packed, headers={**headers, "content-encoding": "gzip"}, media_type=asset.media_type
        )
    return Response(asset.body, headers=headers, media_type=asset.media_type)
