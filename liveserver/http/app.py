"""The HTTP application: page, static files, health, metrics, sessions and API."""

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
from liveserver.auth.authenticator import COOKIE, Authenticator
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import Action
from liveserver.commands.service import CommandService
from liveserver.http.api import api_routes
from liveserver.http.assets import Asset, Assets
from liveserver.http.control_api import control_routes
from liveserver.http.errors import RequestRejected, answer_error, answer_failure
from liveserver.http.middleware import Middleware
from liveserver.http.route_guards import SECURITY_SCHEMES, identity_of, requires
from liveserver.http.session_api import session_routes
from liveserver.http.tone import tone
from liveserver.hub.replica import Replica
from liveserver.view.older_candles import OlderCandles
from liveserver.websocket.handshake import NO_AUTHENTICATION

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

MAX_BODY_BYTES = 64 * 1024
"""Of a command or a login."""

UPGRADE_REQUIRED = ErrorResponse(
    426, "upgrade_required", "this path accepts WebSocket connections only", "connect with ws:// or wss://"
)


def create_app(
    replica: Replica,
    assets: Assets,
    authenticator: Authenticator | None = None,
    command_service: CommandService | None = None,
) -> ASGIApp:
    """Return the application that serves a replica; without an authenticator, authentication is disabled."""
    authenticator = authenticator or Authenticator(NO_AUTHENTICATION)
    command_service = command_service or CommandService(replica, authenticator)
    routes = [
        *_page_routes(assets),
        *_state_routes(replica, authenticator),
        *session_routes(authenticator),
        *api_routes(replica, authenticator, replica.hub.pseudonym, OlderCandles()),
        *control_routes(command_service, authenticator),
    ]
    app = Litestar(
        routes,
        before_send=[add_security_headers],
        exception_handlers={HTTPException: answer_error, Exception: answer_failure},
        openapi_config=_openapi(authenticator),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )
    return Middleware(app, authenticator, SECURITY_HEADERS, assets.is_path)


def _openapi(authenticator: Authenticator) -> OpenAPIConfig:
    is_optional = not authenticator.access.has_credentials or authenticator.access.public
    return OpenAPIConfig(
        title="OpenSQT live server",
        version="1",
        description="State, history and commands of the traded symbols. Every error is `{error, what, hint}`; amounts "
        "are decimal strings, `time` is in seconds since the epoch. Public clients get amounts as shares or not at all.",
        path="/schema",
        render_plugins=[JsonRenderPlugin()],
        use_handler_docstrings=True,
        security=[*SECURITY_SCHEMES, *([{}] if is_optional else [])],
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

    @get("/coin.mp3", include_in_schema=False)
    async def sound() -> Response[bytes]:
        return Response(tone(), media_type="audio/wav")

    @get("/ws", include_in_schema=False)
    async def websocket_only() -> None:
        raise RequestRejected(UPGRADE_REQUIRED)

    return [page, static, sound, websocket_only]


def _state_routes(replica: Replica, authenticator: Authenticator) -> list[HTTPRouteHandler]:
    @get("/health", include_in_schema=False)
    async def health(request: Request[Any, Any, Any]) -> dict[str, object]:
        health = replica.health()
        if identity_of(authenticator, request).is_allowed(Action.WATCH_ALL):
            return health
        # Load balancers query it without a token.
        return {name: health[name] for name in ("status", "uptime", "time", "state", "clients")}

    @get("/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, object]]:
        reason = replica.not_ready()
        body: dict[str, object] = {"ready": reason is None, "state": replica.state}
        if reason is None:
            return Response(body)
        return Response({**body, "reason": reason}, status_code=503, headers={"retry-after": "1"})

    @get("/status", include_in_schema=False, guards=[requires(authenticator, Action.WATCH_ALL)])
    async def status() -> dict[str, object]:
        return replica.status()

    @get("/metrics", include_in_schema=False, guards=[requires(authenticator, Action.WATCH_ALL)])
    async def metrics() -> Response[bytes]:
        return Response(replica.exposition(), media_type=CONTENT_TYPE)

    return [health, ready, status, metrics]


async def add_security_headers(message: AsgiMessage, scope: Scope) -> None:
    """Add the security headers to an answer, and forbid caching unless it has a policy of its own."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders(message)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if "cache-control" not in headers:
            headers["cache-control"] = "no-store"


def _asset_response(asset: Asset | None, request: Request[Any, Any, Any]) -> Response[bytes]:
    if asset is None:
        raise NotFoundException(f"not found: {request.url.path}")
    headers = {"etag": asset.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(b"", status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            asset.gzipped, headers={**headers, "content-encoding": "gzip"}, media_type=asset.media_type
        )
    return Response(asset.body, headers=headers, media_type=asset.media_type)
