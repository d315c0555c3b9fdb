"""RFC 6455 conformance of `/ws`, with the cases of Autobahn's suite.

The suite itself can be run against `tests.liveserver.echo`.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import pytest
import pytest_asyncio

from liveserver.hub.replica import Replica
from liveserver.websocket.context import Limits
from tests.liveserver.raw_viewer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    ServerFrame,
    closing,
    frame,
    frames_in,
    handshake,
    raw_viewer,
)
from tests.liveserver.watching import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_BUS = "nats://127.0.0.1:1"
SMALL = 4096
LARGE = 1 << 20
END = b"the end"
ALIVE = None
ANSWER = "answer"


class Case(NamedTuple):
    """Frames to send, answers in order (pong payloads; ANSWER to a text), and the close code (ALIVE: none)."""

    sent: Sequence[bytes]
    answers: Sequence[bytes | str] = ()
    code: int | None = ALIVE


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lenient() -> AsyncIterator[Replica]:
    """A server that accepts long messages at a high rate."""
    limits = Limits(inbound_bytes=LARGE, inbound_per_s=1e6, inbound_burst=1e6)
    async with serving(NO_BUS, limits=limits) as replica:
        yield replica


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def strict() -> AsyncIterator[Replica]:
    """A server with default limits."""
    async with serving(NO_BUS) as replica:
        yield replica


def text(*parts: bytes) -> list[bytes]:
    """Return a text message in one fragment per part."""
    last = len(parts) - 1
    return [frame(TEXT if i == 0 else CONTINUATION, part, fin=i == last) for i, part in enumerate(parts)]


def fragment(opcode: int, payload: bytes = b"x", *, fin: bool = False) -> bytes:
    return frame(opcode, payload, fin=fin)


FRAMING = {
    **{f"text of {n}": Case(text(b"*" * n), [ANSWER]) for n in (0, 125, 126, 127, 128, 65535, 65536)},
    **{f"binary of {n}": Case([frame(BINARY, b"\xfe" * n)], code=1003) for n in (0, 125, 126, 65536)},
    "masks of zeros": Case([frame(TEXT, b"hello", mask=b"\0\0\0\0")], [ANSWER]),
    "not masked": Case([frame(TEXT, b"hello", mask=None)], code=1002),
    "a ping that is not masked": Case([frame(PING, b"", mask=None)], code=1002),
    "a length of 64 bits with the highest set": Case([b"\x81\xff" + b"\xff" * 8 + b"\0\0\0\0"], code=1009),
}

PINGS = {
    **{f"a ping of {n}": Case([frame(PING, b"\xfe" * n)], [b"\xfe" * n]) for n in (0, 7, 125)},
    "a ping of binary": Case([frame(PING, bytes(range(125)))], [bytes(range(125))]),
    "a ping of 126": Case([frame(PING, b"\xfe" * 126)], code=1002),
    "an unsolicited pong": Case([frame(PONG)], []),
    "a pong with a payload": Case([frame(PONG, b"unsolicited")], []),
    "a pong, then a ping": Case([frame(PONG, b"a"), frame(PING, b"b")], [b"b"]),
    "ten pings": Case([frame(PING, b"%d" % i) for i in range(10)], [b"%d" % i for i in range(10)]),
    "a ping in fragments": Case([frame(PING, b"x", fin=False), fragment(CONTINUATION, fin=True)], code=1002),
    "a pong in fragments": Case([frame(PONG, b"x", fin=False), fragment(CONTINUATION, fin=True)], code=1002),
    "a pong of 126": Case([frame(PONG, b"\xfe" * 126)], code=1002),
}

RESERVED = {
    **{
        f"reserved bits {rsv} of {name}": Case([frame(opcode, b"x", rsv=rsv)], code=1002)
        for rsv in range(1, 8)
        for name, opcode in (("text", TEXT), ("binary", BINARY), ("ping", PING))
    },
    "reserved bits of a close": Case([frame(CLOSE, struct.pack("!H", 1000), rsv=7)], code=1002),
    "reserved bits after a text, before a ping": Case(
        [*text(b"a"), frame(TEXT, b"b", rsv=2), frame(PING)], [ANSWER], 1002
    ),
    **{f"opcode {op}": Case([frame(op)], code=1002) for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{
        f"opcode {op} with a payload after a text": Case(
            [*text(b"a"), frame(op, b"b"), frame(PING)], [ANSWER], 1002
        )
        for op in (3, 5, 7, 11, 13, 15)
    },
}

FRAGMENTS = {
    "two": Case(text(b"frag", b"ment"), [ANSWER]),
    "many, some empty": Case(text(b"", b"a", b"", b"b", b""), [ANSWER]),
    "all empty": Case(text(b"", b"", b""), [ANSWER]),
    "a ping in between": Case([text(b"a", b"b")[0], frame(PING, b"p"), text(b"a", b"b")[1]], [b"p", ANSWER]),
    "pings and pongs in between": Case(
        [fragment(TEXT), frame(PING, b"1"), frame(PONG, b"2"), fragment(CONTINUATION), frame(PING, b"3"),
         fragment(CONTINUATION, fin=True)],
        [b"1", b"3", ANSWER],
    ),
    "nothing to continue, final": Case([fragment(CONTINUATION, fin=True)], code=1002),
    "nothing to continue, not final": Case([fragment(CONTINUATION)], code=1002),
    "nothing to continue after a text": Case([*text(b"a"), fragment(CONTINUATION, fin=True)], [ANSWER], 1002),
    "nothing to continue after fragments": Case(
        [*text(b"a", b"b"), fragment(CONTINUATION)], [ANSWER], 1002
    ),
    "a text within a text": Case([fragment(TEXT), frame(TEXT, b"b")], code=1002),
    "a text that begins within a text": Case([fragment(TEXT), fragment(TEXT)], code=1002),
    "a binary within a text": Case([fragment(TEXT), frame(BINARY, b"b")], code=1002),
    "a binary in fragments": Case([fragment(BINARY), fragment(CONTINUATION, fin=True)], code=1003),
    "in 1300 bytes each": Case(text(*[b"*" * 1300] * 50), [ANSWER]),
    "a byte each": Case(text(*[b"*"] * 600), [ANSWER]),
}  # fmt: skip

VALID_UTF8 = [
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\0\x7f\x80߿ࠀ\uffff\U00010000\U0010ffff",
    "퟿\ue000�",
    "\ufdd0\ufdef\U0001fffe\U0001ffff",
]
INVALID_UTF8 = [
    bytes.fromhex(hexadecimal)
    for hexadecimal in (
        "cebae1bdb9cf83cebcceb5eda080656469746564",  # a surrogate in the middle
        "eda080", "edbfbf", "eda080edb080", "edafbfedbfbf",  # surrogates, alone and in pairs
        "80", "bf", "8080", "80bf80bf",  # continuation bytes alone
        "c020", "e02080", "f0208080", "fe", "ff", "fefeffff",  # leading bytes alone, and bytes that never occur
        "c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf",  # truncated
        "c0af", "e080af", "f08080af", "f8808080af", "fc80808080af",  # overlong
        "c1bf", "e09fbf", "f08fbfbf", "f490 8080",  # overlong; beyond the last code point
        "c080", "e08080", "f0808080",  # overlong NUL
        "ceba e1bdb9cf83cebcceb5f4908080656469746564",
    )
]  # fmt: skip
UTF8 = {
    **{f"valid {i}": Case(text(valid.encode()), [ANSWER]) for i, valid in enumerate(VALID_UTF8)},
    **{
        f"valid {i}, a byte each": Case(text(*[bytes((b,)) for b in valid.encode()]), [ANSWER])
        for i, valid in enumerate(VALID_UTF8)
    },
    **{f"invalid {data.hex()}": Case(text(data), code=1007) for data in INVALID_UTF8},
    **{
        f"invalid {data.hex()}, a byte each": Case(text(*[bytes((b,)) for b in data]), code=1007)
        for data in INVALID_UTF8
    },
}

VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
INVALID_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
CLOSING = {
    "no code": Case([closing()], code=1005),
    "a code of one byte": Case([frame(CLOSE, b"\x03")], code=1002),
    "a reason": Case([closing(1000, b"x" * 123)], code=1000),
    "a reason that is too long": Case([closing(1000, b"x" * 124)], code=1002),
    "a reason that is not UTF-8": Case([closing(1000, b"\xce\xba\xed\xa0\x80")], code=1007),
    "twice": Case([closing(1000), closing(1000)], code=1000),
    "and then a ping": Case([closing(1000), frame(PING)], code=1000),
    "and then a text": Case([closing(1000), *text(b"late")], code=1000),
    "between fragments": Case([fragment(TEXT), closing(1000), fragment(CONTINUATION, fin=True)], code=1000),
    "after a text": Case([*text(b"a"), closing(1000)], [ANSWER], 1000),
    "in fragments": Case([frame(CLOSE, struct.pack("!H", 1000), fin=False)], code=1002),
    **{f"code {code}": Case([closing(code)], code=code) for code in VALID_CODES},
    **{f"code {code} with a reason": Case([closing(code, b"bye")], code=code) for code in VALID_CODES},
    **{f"code {code}": Case([closing(code)], code=1002) for code in INVALID_CODES},
    **{f"code {code} with a reason": Case([closing(code, b"bye")], code=1002) for code in INVALID_CODES},
}

SIZES = {
    "as long as may be": Case(text(b"*" * LARGE), [ANSWER]),
    "a byte longer": Case(text(b"*" * (LARGE + 1)), code=1009),
    "as long as may be, in fragments": Case(text(*[b"*" * (LARGE // 64)] * 64), [ANSWER]),
    "a byte longer, in fragments": Case(text(*[b"*" * (LARGE // 64)] * 64, b"*"), code=1009),
    "the length alone": Case([frame(TEXT, b"*" * (LARGE + 1))[:14]], code=1009),
}

CASES = {
    f"{section}: {name}": case
    for section, cases in {
        "framing": FRAMING,
        "pings": PINGS,
        "reserved": RESERVED,
        "fragments": FRAGMENTS,
        "utf-8": UTF8,
        "closing": CLOSING,
        "sizes": SIZES,
    }.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", CASES)
async def test_case(lenient: Replica, name: str) -> None:
    await check_case(lenient, CASES[name], b"".join(CASES[name].sent))


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("sizes")])
async def test_case_split_into_small_packets(lenient: Replica, name: str) -> None:
    sent = b"".join(CASES[name].sent)
    size = 1 if len(sent) < 300 else 1000
    await check_case(lenient, CASES[name], *(sent[i : i + size] for i in range(0, len(sent), size)))


async def check_case(replica: Replica, case: Case, *pieces: bytes) -> None:
    async with raw_viewer(replica.address) as viewer:
        await viewer.send(*pieces)
        if case.code is ALIVE:
            await viewer.send(frame(PING, END))
            frames = await viewer.until_pong(END)
        else:
            *frames, last = await viewer.rest()
            assert (last.opcode, last.code) == (CLOSE, case.code)
    answers = [ANSWER if each.opcode == TEXT else each.payload for each in frames if not is_push(each)]
    assert answers == list(case.answers)


def is_push(frame: ServerFrame) -> bool:
    """Return whether a frame is a message that the server sends unasked."""
    return frame.opcode == TEXT and json.loads(frame.payload)["type"] != "error"


async def test_invalid_utf8_ends_the_connection_at_the_first_invalid_fragment(lenient: Replica) -> None:
    async with raw_viewer(lenient.address) as viewer:
        await viewer.send(frame(TEXT, b"\xce\xba", fin=False), frame(CONTINUATION, b"\xf4\x90", fin=False))

        assert (await viewer.rest())[-1].code == 1007


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([frame(TEXT, b"*" * SMALL)], ALIVE),
        ([frame(TEXT, b"*" * (SMALL + 1))], 1009),
        (text(*[b"*" * 1000] * 5), 1009),
        ([frame(PING)] * 40, ALIVE),
        ([frame(PING)] * 60, 4429),
        (text(*[b""] * 60), 4429),
        ([frame(TEXT, b"{}")] * 60, 4429),
    ],
)
async def test_default_limits(strict: Replica, sent: list[bytes], code: int | None) -> None:
    async with raw_viewer(strict.address) as viewer:
        await viewer.send(b"".join(sent))
        if code is ALIVE:
            await viewer.send(frame(PING, END))
            await viewer.until_pong(END)
        else:
            assert (await viewer.rest())[-1].code == code


async def test_violating_viewer_still_receives_its_close_frame(strict: Replica) -> None:
    """Further input is discarded: a TCP reset would discard the close frame."""
    async with raw_viewer(strict.address) as viewer:
        await viewer.send(frame(TEXT, b"*" * LARGE))

        assert (await viewer.rest())[-1].code == 1009


async def test_violations_do_not_affect_other_viewers(strict: Replica) -> None:
    async with raw_viewer(strict.address) as good:
        for case in (RESERVED["opcode 3"], FRAMING["not masked"], CLOSING["code 1005"]):
            async with raw_viewer(strict.address) as bad:
                await bad.send(*case.sent)
                await bad.rest()
        await good.send(frame(PING, END))

        assert all(is_push(each) for each in await good.until_pong(END))


async def test_compression_is_not_negotiated(strict: Replica) -> None:
    host, port = strict.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    request = handshake().replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    writer.close()

    assert b"sec-websocket-extensions" not in head
    assert b"s3pplmbitxaq9kygzzhzrbk+xoo=" in head


@pytest.mark.parametrize(
    ("replaced", "by", "status"),
    [
        (b"Version: 13", b"Version: 12", 426),
        (b"Sec-WebSocket-Version: 13\r\n", b"", 400),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"short", 400),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"", 400),
    ],
)
async def test_invalid_handshake_is_rejected(
    strict: Replica, replaced: bytes, by: bytes, status: int
) -> None:
    host, port = strict.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(handshake().replace(replaced, by))
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()

    assert int(head.split()[1]) == status


async def test_frame_parser_of_the_test_is_strict() -> None:
    for invalid in (
        frame(TEXT, b"x"),
        frame(TEXT, b"x", mask=None, rsv=1),
        frame(TEXT, b"x", mask=None, form=126),
    ):
        with pytest.raises(AssertionError):
            list(frames_in(invalid))
