"""A web server for a handful of read-only pages: GET alone, bounded in size and time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

LARGEST_HEAD = 8192
WITHIN_S = 5.0
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


class Reply(NamedTuple):
    """What a page answers."""

    content_type: str
    body: bytes
    status: int = 200


@asynccontextmanager
async def serve(pages: Mapping[str, Callable[[], Reply]], host: str, port: int) -> AsyncIterator[str]:
    """Serve `pages` by path for as long as the context lasts; yield the address, `http://host:port`.

    Raises: OSError when the port is taken.
    """

    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(_answer(pages, head)))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(on_client, host, port, limit=LARGEST_HEAD)
    except OSError as error:
        raise OSError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another port, 0 is any"
        ) from error
    async with server:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}"


def _answer(pages: Mapping[str, Callable[[], Reply]], head: bytes) -> Reply:
    match head.split(b"\r\n", 1)[0].split(b" "):
        case [b"GET", target, version] if version.startswith(b"HTTP/1."):
            page = pages.get(target.partition(b"?")[0].decode("latin-1"))
            return page() if page else _text(404, f"there are {', '.join(pages)}")
        case [_, _, version] if version.startswith(b"HTTP/"):
            return _text(405, "GET only")
        case _:
            return _text(400, "not HTTP")


def _text(status: int, text: str) -> Reply:
    return Reply("text/plain; charset=utf-8", f"{text}\n".encode(), status)


def _response(reply: Reply) -> bytes:
    head = (
        f"HTTP/1.1 {reply.status} {REASONS[reply.status]}\r\nContent-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + reply.body
