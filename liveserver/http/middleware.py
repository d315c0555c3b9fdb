"""What every HTTP request passes before it is looked at: how often, how large, no secret in its address; and ETags."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

from litestar.datastructures import Headers
from litestar.types import ASGIApp, Message, Receive, Send

from liveserver.auth import refusals
from liveserver.auth.addresses import counted_as
from liveserver.auth.authenticator import Asking, Guard, has_token
from liveserver.auth.refusals import Refusal
from liveserver.http.errors import encode_error

FREE = ("/static/",)
"""Files of the page are read once and kept: they are not counted."""


class Gate:
    """An ASGI application before another."""

    def __init__(self, app: ASGIApp, guard: Guard, headers: Mapping[str, str]) -> None:
        self._app = app
        self._guard = guard
        self._headers = headers

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        # WebSockets never come here: the server hands them over before.
        why_not = self._why_not(scope)
        if why_not is not None:
            self._guard.count(why_not.error)
            await _refuse(why_not, self._headers, send)
        elif scope["method"] == "GET" and scope["path"].startswith("/api/"):
            await self._app(
                scope, receive, _Conditional(Headers.from_scope(scope).get("if-none-match"), send)
            )
        else:
            await self._app(scope, receive, send)

    def _why_not(self, scope: Any) -> Refusal | None:
        now = asyncio.get_running_loop().time()
        if not scope["path"].startswith(FREE):
            address = counted_as(asking(scope, self._guard).address)
            if not self._guard.requests.spend(address, now):
                return refusals.TOO_MANY_REQUESTS._replace(retry_after_s=self._guard.requests.wait_s)
        return refusals.TOKEN_IN_QUERY if has_token(scope["query_string"]) else None


def asking(scope: Any, guard: Guard) -> Asking:
    """Return who sends a request, as far as it says."""
    headers = Headers.from_scope(scope)
    peer = scope["client"][0] if scope.get("client") else ""
    return Asking(
        address=guard.proxies.origin_of(peer, headers.getall("x-forwarded-for", [])),
        host=headers.get("host"),
        origin=headers.get("origin"),
        authorization=headers.get("authorization"),
        cookie="; ".join(headers.getall("cookie", [])),
    )


class _Conditional:
    """Sends an answer, or 304 when the client has it."""

    def __init__(self, known: str | None, send: Send) -> None:
        self._known = known
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
        # What is shown depends on who asks.
        start["headers"] = [
            *kept,
            (b"etag", etag.encode()),
            (b"cache-control", b"private, no-cache"),
            (b"vary", b"authorization, cookie"),
        ]
        if self._known is None or etag not in {
            each.strip().removeprefix("W/") for each in self._known.split(",")
        }:
            return body  # type: ignore[no-any-return] # an ASGI message is what it is
        start["status"] = 304
        start["headers"] = [pair for pair in start["headers"] if pair[0].lower() not in _OF_BODY]
        return {"type": "http.response.body", "body": b"", "more_body": False}


_OF_BODY = frozenset({b"content-length", b"content-type"})


async def _refuse(why: Refusal, headers: Mapping[str, str], send: Send) -> None:
    body = encode_error(why)
    every = {**headers, **why.headers, "content-type": "application/json", "content-length": str(len(body))}
    pairs = [(name.encode(), value.encode()) for name, value in every.items()]
    await send({"type": "http.response.start", "status": why.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": False})
