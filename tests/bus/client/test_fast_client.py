"""The fast parser gives the same results as the library, however the bytes are split."""

import asyncio
from typing import Any

import nats.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from bus import Bus, Message
from bus.client.fast_client import FastClient, FastParser
from bus.client.headers import Headers, parse_status


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"content-type: application/json\r\nschema: Trade\r\nNats-Msg-Id: a:b c\r\n\r\n",
        b"empty:\r\nnone\r\n tight:x\r\nwide:\t y \r\n",
        b"two words: x\r\nn\xc3\xb6: y\r\nvalue: \xc3\xb6\xff\r\n",
        b"twice: 1\r\ntwice: 2\r\n",
    ],
)
def test_headers_are_parsed_like_the_library(raw: bytes) -> None:
    assert FastClient._parse_header_lines(raw) == Client._parse_header_lines(raw)


class _Recorder:
    """A client that records the calls of a parser."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def _process_msg(self, *message: object) -> None:
        self.calls.append(message)

    async def _process_ping(self) -> None:
        self.calls.append("ping")

    async def _process_pong(self) -> None:
        self.calls.append("pong")

    async def _process_err(self, text: str) -> None:
        self.calls.append(text)


NAMES = st.text("ab.>$_1", min_size=1, max_size=8).map(str.encode)
BODIES = st.one_of(st.binary(max_size=40), st.just(b"MSG a 1 3\r\nabc\r\n"))


@st.composite
def _messages(draw: st.DrawFn) -> bytes:
    body, reply = draw(BODIES), draw(st.one_of(st.just(b""), NAMES.map(lambda name: name + b" ")))
    before = b"%b %d %b" % (draw(NAMES), draw(st.integers(1, 3)), reply)
    if draw(st.booleans()):
        return b"MSG %b%d\r\n%b\r\n" % (before, len(body), body)
    block = b"NATS/1.0\r\na: %d\r\n\r\n" % len(body)
    return b"HMSG %b%d %d\r\n%b%b\r\n" % (before, len(block), len(block) + len(body), block, body)


LINES = st.sampled_from([b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'No'\r\n"])


@given(st.lists(st.one_of(_messages(), LINES), max_size=12).map(b"".join), st.data())
def test_a_stream_is_parsed_like_the_library_wherever_it_is_split(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    ours, theirs = _Recorder(), _Recorder()

    async def read() -> None:
        fast, library = FastParser(ours), Parser(theirs)  # type: ignore[arg-type] # the part of a client that is called
        for piece in pieces:
            await fast.parse(piece)
            await library.parse(piece)

    asyncio.run(read())
    assert ours.calls == theirs.calls


async def test_a_malformed_line_is_a_protocol_error() -> None:
    for line in (b"WHAT\r\n", b"MSG a x 3\r\nabc\r\n", b"MSG a 1 x\r\n", b"MSG 3\r\nabc\r\n"):
        with pytest.raises(ProtocolError):
            await FastParser(_Recorder()).parse(line)  # type: ignore[arg-type]


async def test_reset_discards_a_partial_message() -> None:
    recorder = _Recorder()
    parser = FastParser(recorder)  # type: ignore[arg-type]
    await parser.parse(b"MSG a 1 1000\r\nbegun")
    parser.reset()
    await parser.parse(b"PING\r\n")
    assert recorder.calls == ["ping"]


async def test_a_direct_subscription_receives_raw_messages(bus: Bus) -> None:
    received: asyncio.Queue[tuple[bytes, ...]] = asyncio.Queue()
    subscription = await bus.nc.subscribe_direct("direct.*", lambda *message: received.put_nowait(message))
    await bus.publish("direct.a", b"1", {"key": "value"}, reply="direct.reply")
    subject, reply, block, data = await received.get()
    await bus.nc.unsubscribe_direct(subscription)
    assert (subject, reply, data) == (b"direct.a", b"direct.reply", b"1")
    assert Headers(block) == {"key": "value"}


async def test_a_direct_subscription_ends(bus: Bus) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()
    subscription = await bus.nc.subscribe_direct(
        "direct", lambda subject, reply, block, data: received.put_nowait(data)
    )
    others: asyncio.Queue[Message] = asyncio.Queue()
    await bus.subscribe("direct", others.put_nowait)
    await bus.publish("direct", b"1")
    assert await received.get() == b"1"
    await bus.nc.unsubscribe_direct(subscription)
    await bus.publish("direct", b"2")
    while (await others.get()).data != b"2":
        pass
    assert received.empty()


@pytest.mark.parametrize(
    ("block", "status"),
    [
        (b"NATS/1.0 408 Request Timeout\r\n\r\n", ("408", "Request Timeout")),
        (b"NATS/1.0 100\r\nNats-Last-Consumer: 1\r\n\r\n", ("100", "")),
        (b"NATS/1.0\r\na: b\r\n\r\n", ("", "")),
        (b"", ("", "")),
    ],
)
def test_a_status_is_parsed_from_the_first_line(block: bytes, status: tuple[str, str]) -> None:
    assert parse_status(block) == status


async def test_a_connection_that_fails_at_its_beginning_is_closed() -> None:
    closed = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"no server\r\n")
        assert await reader.read() == b""
        writer.close()
        closed.set()

    client = FastClient()
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(nats.errors.Error):
            await client.connect(f"nats://127.0.0.1:{port}", allow_reconnect=False)
        async with asyncio.timeout(5):
            await closed.wait()


async def test_an_error_right_after_a_reconnect_is_reported_as_the_end_of_the_connection() -> None:
    accepted: list[asyncio.StreamWriter] = []
    closed = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        writer.write(b'INFO {"server_id":"A","max_payload":100}\r\n')
        await reader.readuntil(b"PING\r\n")
        writer.write(b"PONG\r\n" if len(accepted) == 1 else b"PONG\r\n-ERR 'User Authentication Expired'\r\n")

    async def on_closed() -> None:
        closed.set()

    client = FastClient()
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await client.connect(url, closed_cb=on_closed, reconnect_time_wait=0)
        accepted[0].close()
        async with asyncio.timeout(5):
            await closed.wait()
        accepted[1].close()
