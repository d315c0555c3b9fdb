"""Fuzz test of a session: frames with flipped bits, cut anywhere, and noise.

`FUZZ_SEED` and `FUZZ_RUNS` extend it. For any input: no exception, bounded memory, well-formed output that ends with at
most one close frame, and no effect on other viewers.
"""

import os
import random
from collections.abc import Iterator

import pytest

from liveserver.websocket.session import Session
from tests.liveserver.raw_viewer import CLOSE, CONTINUATION, PING, PONG, TEXT, frame, frames_in, handshake
from tests.liveserver.websocket.test_session import Client, FakeServer

SEED = int(os.environ.get("FUZZ_SEED", "1"))
RUNS = int(os.environ.get("FUZZ_RUNS", "300"))
MAX_MESSAGE_BYTES = 4096
"""Limit of a message; a frame header and a chunk may be buffered on top."""
CHUNK = 2000


class FuzzedClient:
    """A viewer that sends garbage; implements `Transport`."""

    def __init__(self, server: FakeServer, chance: random.Random) -> None:
        self.sent = bytearray()
        self.is_over = False
        self.session = Session(server, self, 0.0)
        protocols = ("opensqt.v2",) if chance.random() < 0.7 else ()
        self.session.receive(handshake(protocols=protocols), 0.0)
        self.at = self.sent.index(b"\r\n\r\n") + 4

    def write(self, data: bytes) -> None:
        assert not self.is_over, "write after write_eof"
        self.sent += data

    def write_eof(self) -> None:
        assert not self.is_over, "second write_eof"
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True

    def buffered(self) -> int:
        """Return the number of received bytes that the session buffers."""
        protocol, message = self.session._protocol, self.session._incomplete_message
        return (len(protocol.reader.buffer) if protocol else 0) + (len(message._data) if message else 0)


@pytest.mark.parametrize("seed", range(SEED, SEED + 10))
def test_any_input_is_survived(seed: int) -> None:
    chance = random.Random(seed)
    for run in range(RUNS // 10):
        server = FakeServer(inbound_per_s=1e6, inbound_burst=chance.choice([50, 1e6]))
        other, fuzzed = Client(server), FuzzedClient(server, chance)
        for turn, piece in enumerate(pieces(chance)):
            if chance.random() < 0.05:
                fuzzed.session.block()
            fuzzed.session.receive(piece, turn / 100)
            if chance.random() < 0.3:
                fuzzed.session.unblock()
            assert fuzzed.buffered() <= MAX_MESSAGE_BYTES + CHUNK + 14, f"seed {seed}, run {run}"
            server.publish_price(str(turn))
        fuzzed.session.unblock()
        frames = list(frames_in(bytes(fuzzed.sent[fuzzed.at :])))
        assert CLOSE not in [each.opcode for each in frames[:-1]], (
            f"seed {seed}, run {run}: frame after the close frame"
        )
        assert other.prices() == [str(i) for i in range(turn + 1)], f"seed {seed}, run {run}"
        fuzzed.session.lost()
        assert len(server.hub) == 1


def pieces(chance: random.Random) -> Iterator[bytes]:
    """Yield the bytes of random frames, cut at random places."""
    sent = bytearray().join(part(chance) for _ in range(chance.randrange(1, 30)))
    for _ in range(chance.choice([0, 0, 1, 3, 10])):
        sent[chance.randrange(len(sent))] ^= 1 << chance.randrange(8)
    while sent:
        size = chance.choice([1, 2, 7, 100, CHUNK])
        yield bytes(sent[:size])
        del sent[:size]


def part(chance: random.Random) -> bytes:
    """Return a valid frame, an invalid frame, or noise."""
    size = chance.choice([1, 2, 5, 100, 125, 126, 127, 1000, 5000])
    payload = chance.choice([b"x" * size, b"\xc3\xa9" * size, b'{"type":"subscribe","data":{"topics":[{}]}}'])
    parts = (
        chance.randbytes(size),
        frame(chance.randrange(16), payload, fin=chance.random() < 0.8, rsv=chance.choice([0, 0, 1, 7])),
        frame(TEXT, payload[:100], mask=chance.choice([None, b"\0\0\0\0"])),
        frame(CLOSE, chance.randbytes(chance.randrange(10))),
        frame(TEXT, payload[:200], form=127),
        frame(TEXT, payload[:50], fin=False) + frame(PING) + frame(CONTINUATION, payload[50:90]),
        *[frame(opcode, payload[:125]) for opcode in (PING, PONG)],
        *[frame(TEXT, payload[: size % 300])] * 3,
    )
    return chance.choice(parts)
