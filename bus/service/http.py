"""A minimal HTTP server for a few read-only pages: GET and HEAD only, with limits on size, time and connections."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import NamedTuple

from bus.peer import ALLOW_HINT, PeerCheck

MAX_HEAD_BYTES = 8192
CLIENT_TIMEOUT_S = 5.0
MAX_CLIENTS = 64
"""Concurrent connections; further ones are closed at once."""

Pages = Mapping[str, Callable[[], "Reply"]]


class Reply(NamedTuple):
    """The response of a page."""

    content_type: str
    body: bytes
    status: HTTPStatus = HTTPStatus.OK


@asynccontextmanager
async def serve(pages: Pages, host: str, port: int, peers: PeerCheck | None = None) -> AsyncIterator[str]:
    """Serve `pages`, by path, while the context lasts; yield the address, `http://HOST:PORT`.

    Of this machine, only the users that `peers` admits are served: by default the own one and root.
    Raises: OSError when the port is in use; UnknownUser.
    """
    peers = peers or PeerCheck()
    clients: set[asyncio.Task[None]] = set()

    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(clients) >= MAX_CLIENTS:
            writer.transport.abort()
            return
        clients.add(task)
        try:
            refusal = peers.refusal(writer.get_extra_info("socket"))
            await _answer(pages, reader, writer, refusal, is_local=_is_loopback(host))
        finally:
            clients.discard(task)
            writer.close()

    try:
        server = await asyncio.start_server(on_client, host, port, limit=MAX_HEAD_BYTES)
    except OSError as error:
        where = f"{host}:{port}"
        raise OSError(f"cannot listen on {where}: {error.strerror}; choose another port, or 0") from error
    try:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for client in clients:
            client.cancel()
        await server.wait_closed()


async def _answer(
    pages: Pages,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    refusal: str | None,
    *,
    is_local: bool,
) -> None:
    with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
        async with asyncio.timeout(CLIENT_TIMEOUT_S):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                reply, has_body = (
                    _text(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "request head too large"),
                    True,
                )
            else:
                lines = head.decode("latin-1").split("\r\n")
                has_body = not lines[0].startswith("HEAD ")
                if refusal is not None:
                    reply = _text(HTTPStatus.FORBIDDEN, f"{refusal}; {ALLOW_HINT}")
                # A website whose name resolves to this machine must not read the pages (DNS rebinding).
                elif is_local and not all(map(_is_loopback, _hosts(lines[1:]))):
                    reply = _text(
                        HTTPStatus.FORBIDDEN,
                        "this server listens on loopback: name it 127.0.0.1 or localhost",
                    )
                else:
                    reply = _reply(pages, lines[0])
            writer.write(_response(reply, has_body=has_body))
            await writer.drain()


def _reply(pages: Pages, request_line: str) -> Reply:
    match request_line.split(" "):
        case ["GET" | "HEAD", target, version] if version.startswith("HTTP/1."):
            page = pages.get(target.partition("?")[0])
            return (
                page() if page else _text(HTTPStatus.NOT_FOUND, f"not found; available: {', '.join(pages)}")
            )
        case [_, _, version] if version.startswith("HTTP/"):
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "GET and HEAD only")
        case _:
            return _text(HTTPStatus.BAD_REQUEST, "not an HTTP request")


def _hosts(lines: Iterable[str]) -> Iterator[str]:
    """Yield the host, without its port, of each `Host` header."""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() == "host":
            host = value.strip()
            yield host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _text(status: HTTPStatus, text: str) -> Reply:
    return Reply("text/plain; charset=utf-8", f"{text}\n".encode(), status)


def _response(reply: Reply, *, has_body: bool) -> bytes:
    head = [
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if reply.status is HTTPStatus.METHOD_NOT_ALLOWED:
        head.append("Allow: GET, HEAD")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + (reply.body if has_body else b"")
