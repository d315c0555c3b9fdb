"""A minimal HTTP server for a few read-only pages: GET only, with limits on size and time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import NamedTuple

MAX_HEAD_BYTES = 8192
CLIENT_TIMEOUT_S = 5.0

Pages = Mapping[str, Callable[[], "Reply"]]


class Reply(NamedTuple):
    """The response of a page."""

    content_type: str
    body: bytes
    status: HTTPStatus = HTTPStatus.OK


@asynccontextmanager
async def serve(pages: Pages, host: str, port: int) -> AsyncIterator[str]:
    """Serve `pages`, by path, while the context lasts; yield the address, `http://HOST:PORT`.

    Raises: OSError when the port is in use.
    """
    clients: set[asyncio.Task[None]] = set()

    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        clients.add(task)
        try:
            await _answer(pages, reader, writer)
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


async def _answer(pages: Pages, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
        async with asyncio.timeout(CLIENT_TIMEOUT_S):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                reply = _text(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "request head too large")
            else:
                reply = _reply(pages, head.split(b"\r\n", 1)[0].decode("latin-1"))
            writer.write(_response(reply))
            await writer.drain()


def _reply(pages: Pages, request_line: str) -> Reply:
    match request_line.split(" "):
        case ["GET", target, version] if version.startswith("HTTP/1."):
            page = pages.get(target.partition("?")[0])
            return (
                page() if page else _text(HTTPStatus.NOT_FOUND, f"not found; available: {', '.join(pages)}")
            )
        case [_, _, version] if version.startswith("HTTP/"):
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "GET only")
        case _:
            return _text(HTTPStatus.BAD_REQUEST, "not an HTTP request")


def _text(status: HTTPStatus, text: str) -> Reply:
    return Reply("text/plain; charset=utf-8", f"{text}\n".encode(), status)


def _response(reply: Reply) -> bytes:
    head = [
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if reply.status is HTTPStatus.METHOD_NOT_ALLOWED:
        head.append("Allow: GET")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + reply.body
