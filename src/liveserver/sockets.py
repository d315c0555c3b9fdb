"""The WebSocket end of a viewer, on plain ASGI: pumps its session out, and takes next to nothing in."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from liveserver.hub import CloseCode, Hub, Wanted
from liveserver.messages import Message
from liveserver.session import Session

AsgiMessage = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

INBOUND_LIMIT = 4096
"""Bytes of a message from a browser; the protocol closes with 1009 beyond it."""

PATIENCE = 100
"""Messages that a browser may send in all: it has nothing to say yet."""

REASON_LIMIT = 120
"""Bytes that fit into a close frame beside its code."""


def may_connect(origin: str | None, host: str | None, allowed: frozenset[str]) -> bool:
    """Tell whether a page from `origin` may watch; the page that this server serves always may.

    A program that is no browser names no origin. Without this, any website could read the account of whoever runs a
    live server and visits it.
    """
    if origin is None or origin in allowed or "*" in allowed:
        return True
    return host is not None and urlsplit(origin).netloc.lower() == host.lower()


def wanted(query: bytes) -> Wanted:
    """Return what `?symbol=&venue=&interval=` asks for."""
    fields = parse_qs(query.decode("latin-1"))
    symbol, venue, interval = (fields.get(name, [""])[0] for name in ("symbol", "venue", "interval"))
    return Wanted(symbol, venue, interval)


async def serve_viewer(
    receive: Receive, send: Send, hub: Hub, asked: Wanted, greeting: Sequence[Message] = ()
) -> CloseCode | None:
    """Show the hub to one accepted connection until either side ends it; return why, if it was us."""
    session = Session()
    hub.join(session, asked, greeting)
    try:
        await _talk(receive, send, session)
        if session.closing is None:
            return None
        code, reason = session.closing
        text = reason.encode()[:REASON_LIMIT].decode(errors="ignore")
        with contextlib.suppress(OSError):
            await send({"type": "websocket.close", "code": int(code), "reason": text})
        return code
    finally:
        hub.leave(session)


async def refuse(receive: Receive, send: Send) -> None:
    """Answer a handshake with 403."""
    await receive()
    await send({"type": "websocket.close", "code": int(CloseCode.POLICY_VIOLATION)})


async def _talk(receive: Receive, send: Send, session: Session) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_pump(send, session), name="viewer_out"),
            group.create_task(_listen(receive, session), name="viewer_in"),
            group.create_task(session.overrun(), name="viewer_overrun"),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _pump(send: Send, session: Session) -> None:
    try:
        while (frames := await session.take()) is not None:
            for frame in frames:
                await send({"type": "websocket.send", "text": frame.decode()})
    except OSError:
        return  # it went away; the other side of this is told so as well


async def _listen(receive: Receive, session: Session) -> None:
    for _ in range(PATIENCE):
        message: AsgiMessage = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") is None:
            session.close(CloseCode.UNSUPPORTED_DATA, "text only")
            return
    session.close(CloseCode.POLICY_VIOLATION, "nothing is asked of a viewer; it said too much")
