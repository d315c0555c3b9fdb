"""The HTTP side: the page and its files, health, status, metrics and the view as JSON."""

from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.types import Message as AsgiMessage
from litestar.types import Scope

from bus.metrics import CONTENT_TYPE
from liveserver.api import api_routes
from liveserver.assets import Asset, Assets
from liveserver.door import wanted
from liveserver.hub import unknown_symbol
from liveserver.messages import SymbolData
from liveserver.replica import Replica

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


def create_app(replica: Replica, assets: Assets) -> Litestar:
    """Return the application that serves one replica."""
    return Litestar(
        [*_page_routes(assets), *_state_routes(replica), *_view_routes(replica), *api_routes(replica)],
        before_send=[add_security_headers],
        openapi_config=None,
        logging_config=None,
    )


def _page_routes(assets: Assets) -> list[HTTPRouteHandler]:
    @get(["/", "/live"])
    async def page(request: Request[Any, Any, Any]) -> Response[bytes]:
        return _asset_response(assets.get("index.html"), request)

    @get("/static/{name:path}")
    async def static(request: Request[Any, Any, Any]) -> Response[bytes]:
        return _asset_response(assets.get(str(request.path_params["name"])), request)

    @get("/ws")
    async def socket_only() -> Response[dict[str, str]]:
        return Response({"error": "this address speaks WebSocket"}, status_code=426)

    return [page, static, socket_only]


def _state_routes(replica: Replica) -> list[HTTPRouteHandler]:
    @get("/health")
    async def health() -> dict[str, object]:
        return replica.health()

    @get("/ready")
    async def ready() -> Response[dict[str, object]]:
        why_not = replica.not_ready()
        body: dict[str, object] = {"ready": why_not is None, "state": replica.state}
        if why_not is None:
            return Response(body)
        return Response({**body, "reason": why_not}, status_code=503, headers={"retry-after": "1"})

    @get("/status")
    async def status() -> dict[str, object]:
        return replica.status()

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        return Response(replica.exposition(), media_type=CONTENT_TYPE)

    return [health, ready, status, metrics]


def _view_routes(replica: Replica) -> list[HTTPRouteHandler]:
    @get("/api/symbols")
    async def symbols() -> list[SymbolData]:
        return replica.symbols()

    @get("/api/snapshot")
    async def snapshot(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        asked = wanted(request.scope["query_string"])
        found = replica.snapshot(asked)
        if found is None:
            known = [data.symbol for data in replica.symbols()]
            error = unknown_symbol(asked.symbol, asked.venue, known) if known else "nothing is known yet"
            return Response({"error": error, "known": known}, status_code=404 if known else 503)
        channel, messages = found
        return Response({**channel.market._asdict(), "interval": channel.interval, "messages": messages})

    return [symbols, snapshot]


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
