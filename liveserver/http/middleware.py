"""Middleware of all HTTP requests: rate limits, no secrets in URLs, and ETags for the API."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

from litestar.datastructures import Headers
from litestar.types import ASGIApp, Message, Receive, Send

from liveserver.auth import error_responses
from liveserver.auth.addresses import rate_limit_key
from liveserver.auth.authenticator import Authenticator, RequestInfo, contains_token
from liveserver.auth.error_responses import ErrorResponse
from liveserver.http.errors import encode_error

UNLIMITED_PATHS = ("/static/",)
"""Static files are cached in memory and exempt from rate limits."""

_BODY_HEADERS = frozenset({b"content-length", b"content-type"})


class Middleware:
    """An ASGI application that wraps another; `headers` are added to its own error answers."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, headers: Mapping[str, str]) -> None:
        self._app = app
        self._authenticator = authenticator
        self._headers = headers

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        # WebSockets never get here: the server takes them over at the upgrade.
        error = self._check(scope)
        if error is not None:
            self._authenticator.count_rejection(error.error)
            await _send_error(error, self._headers, send)
        elif scope["method"] == "GET" and scope["path"].startswith("/api/"):
            if_none_match = Headers.from_scope(scope).get("if-none-match")
            await self._app(scope, receive, _ConditionalSend(if_none_match, send))
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Any) -> ErrorResponse | None:
        now = asyncio.get_running_loop().time()
        if not scope["path"].startswith(UNLIMITED_PATHS):
            key = rate_limit_key(request_info(scope, self._authenticator).address)
            requests = self._authenticator.requests
            if not requests.spend(key, now):
                return error_responses.TOO_MANY_REQUESTS._replace(retry_after_s=requests.retry_after_s)
        return error_responses.TOKEN_IN_QUERY if contains_token(scope["query_string"]) else None


def request_info(scope: Any, authenticator: Authenticator) -> RequestInfo:
    """Return the parts of an ASGI scope that identify its sender."""
    headers = Headers.from_scope(scope)
    peer = scope["client"][0] if scope.get("client") else ""
    return RequestInfo(
        address=authenticator.proxies.client_address(peer, headers.getall("x-forwarded-for", [])),
        host=headers.get("host"),
        origin=headers.get("origin"),
        authorization=headers.get("authorization"),
        cookie="; ".join(headers.getall("cookie", [])),
    )


class _ConditionalSend:
    """Adds an ETag to an answer with status 200 and one body, and replaces it by 304 if the client has that version."""

    def __init__(self, if_none_match: str | None, send: Send) -> None:
        self._if_none_match = if_none_match
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = message
            return
        if message["type"] == "http.response.body" and self._start is not None:
            start, self._start = self._start, None
            if not message.get("more_body"):
                message = self._tagged(start, message)
            await self._send(start)
        await self._send(message)

    def _tagged(self, start: Any, body: Any) -> Message:
        etag = f'"{hashlib.sha256(body["body"]).hexdigest()[:24]}"'
        kept = [(name, value) for name, value in start["headers"] if name.lower() != b"cache-control"]
        start["headers"] = [
            *kept,
            (b"etag", etag.encode()),
            (b"cache-control", b"private, no-cache"),
            (b"vary", b"authorization, cookie"),  # the view is redacted according to the identity
        ]
        if self._if_none_match is None or etag not in {
            each.strip().removeprefix("W/") for each in self._if_none_match.split(",")
        }:
            return body  # type: ignore[no-any-return] # an ASGI message is a dict of anything
        start["status"] = 304
        start["headers"] = [pair for pair in start["headers"] if pair[0].lower() not in _BODY_HEADERS]
        return {"type": "http.response.body", "body": b"", "more_body": False}


async def _send_error(error: ErrorResponse, headers: Mapping[str, str], send: Send) -> None:
    body = encode_error(error)
    lines = {
        **headers,
        **error.headers,
        "content-type": "application/json",
        "content-length": str(len(body)),
    }
    pairs = [(name.encode(), value.encode()) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": False})
