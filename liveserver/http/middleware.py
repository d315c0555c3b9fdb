"""Middleware of all HTTP requests: rate limits, no secrets in URLs, HEAD, and ETags for the API."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from litestar.datastructures import Headers
from litestar.types import ASGIApp, Message, Receive, Send

from liveserver.auth import error_responses
from liveserver.auth.authenticator import Authenticator, RequestInfo, check_query
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import ANONYMOUS, Identity
from liveserver.http.connection import is_head_too_large
from liveserver.http.errors import encode_error

IDENTITY = "identity"
"""Key of the request's state that holds the sender's identity, once it is known."""

_BODY_HEADERS = frozenset({b"content-length", b"content-type"})


class Middleware:
    """An ASGI application that wraps another; `headers` are added to its own error answers.

    `is_unlimited` tells the paths that are exempt from rate limits: the page's files, which are cached in memory.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        headers: Mapping[str, str],
        is_unlimited: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._headers = headers
        self._is_unlimited = is_unlimited

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        # WebSockets never get here: the server takes them over at the upgrade.
        is_head = scope["method"] == "HEAD"
        if is_head:
            # The server sends no body in answer to HEAD; the headers are those of GET.
            scope = {**scope, "method": "GET"}
        error = self._check(scope)
        if error is not None:
            await _send_error(error, self._headers, send)
        elif scope["method"] == "GET" and scope["path"].startswith("/api/"):
            if_none_match = Headers.from_scope(scope).get("if-none-match")
            await self._app(
                scope, receive, _ConditionalSend(if_none_match, send, lambda size: self._charge(scope, size))
            )
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Any) -> ErrorResponse | None:
        authenticator = self._authenticator
        if is_head_too_large(scope):
            error = error_responses.HEAD_TOO_LARGE
        elif (found := check_query(scope["query_string"])) is not None:
            error = found
        elif self._is_unlimited(scope["path"]):
            return None
        else:
            address = authenticator.proxies.client_address(_peer(scope), _forwarded_for(scope))
            return authenticator.check_address_rate(address, asyncio.get_running_loop().time())
        authenticator.count_rejection(error.error)
        return error

    def _charge(self, scope: Any, size: int) -> None:
        """Let an answer cost its share of the sender's allowance."""
        found = scope.get("state", {}).get(IDENTITY)
        identity = found if isinstance(found, Identity) else ANONYMOUS
        address = self._authenticator.proxies.client_address(_peer(scope), _forwarded_for(scope))
        self._authenticator.charge_answer(identity, address, size, asyncio.get_running_loop().time())


def request_info(scope: Any, authenticator: Authenticator) -> RequestInfo:
    """Return the parts of an ASGI scope that identify its sender."""
    headers = Headers.from_scope(scope)
    return RequestInfo(
        address=authenticator.proxies.client_address(_peer(scope), _forwarded_for(scope)),
        host=headers.get("host"),
        origin=headers.get("origin"),
        authorization=headers.get("authorization"),
        cookie="; ".join(headers.getall("cookie", [])),
    )


def _peer(scope: Any) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _forwarded_for(scope: Any) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]


class _ConditionalSend:
    """Adds an ETag to an answer with status 200 and one body, and replaces it by 304 if the client has that version.

    An ETag of the application stays. `charge` is called with the size of the body, which had to be made also for a 304.
    """

    def __init__(self, if_none_match: str | None, send: Send, charge: Callable[[int], None]) -> None:
        self._if_none_match = if_none_match
        self._send = send
        self._charge = charge
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = message
            return
        if message["type"] == "http.response.body" and self._start is not None:
            start, self._start = self._start, None
            if not message.get("more_body"):
                self._charge(len(message["body"]))
                message = self._tagged(start, message)
            await self._send(start)
        await self._send(message)

    def _tagged(self, start: Any, body: Any) -> Message:
        own = next((value for name, value in start["headers"] if name.lower() == b"etag"), None)
        etag = own.decode() if own else etag_of(body["body"])
        kept = [
            (name, value)
            for name, value in start["headers"]
            if name.lower() not in {b"cache-control", b"etag"}
        ]
        start["headers"] = [
            *kept,
            (b"etag", etag.encode()),
            (b"cache-control", b"private, no-cache"),
            (b"vary", b"authorization, cookie"),  # the view is redacted according to the identity
        ]
        if not _has_version(self._if_none_match, etag):
            return body  # type: ignore[no-any-return] # an ASGI message is a dict of anything
        start["status"] = 304
        start["headers"] = [pair for pair in start["headers"] if pair[0].lower() not in _BODY_HEADERS]
        return {"type": "http.response.body", "body": b"", "more_body": False}


def etag_of(body: bytes) -> str:
    """Return the ETag of a body."""
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def _has_version(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    tags = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return etag.removeprefix("W/") in tags or "*" in tags


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
