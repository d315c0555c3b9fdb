"""What comes from a network: frames with bits turned, cut anywhere, and noise. `FUZZ_SEED` and `FUZZ_RUNS` go further.

Whatever a viewer sends, nothing is raised, what is kept of it stays within bounds, what it is told is well formed and
ends with one close frame, and who sits beside it hears everything.
"""

import os
import random
from collections.abc import Iterator

import pytest

from liveserver.websocket.session import Session
from tests.liveserver.raw_viewer import CLOSE, CONTINUATION, PING, PONG, TEXT, frame, frames_in, handshake
from tests.liveserver.websocket.test_session import Browser, Theatre

SEED = int(os.environ.get("FUZZ_SEED", "1"))
RUNS = int(os.environ.get("FUZZ_RUNS", "300"))
BYTES = 4096
"""What a message may have, and so what may be kept of one; a head and a chunk come on top."""
CHUNK = 2000


class Peer:
    """A viewer that sends nonsense; implements `Outlet`."""

    def __init__(self, stage: Theatre, chance: random.Random) -> None:
        self.sent = bytearray()
        self.is_over = False
        self.session = Session(stage, self, 0.0)
        protocols = ("opensqt.v2",) if chance.random() < 0.7 else ()
        self.session.receive(handshake(protocols=protocols), 0.0)
        self.at = self.sent.index(b"\r\n\r\n") + 4

    def write(self, data: bytes) -> None:
        assert not self.is_over, "written after the end"
        self.sent += data

    def write_eof(self) -> None:
        assert not self.is_over, "ended twice"
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True

    def kept(self) -> int:
        """Return how many bytes of what it sent are kept."""
        protocol, fragments = self.session._protocol, self.session._fragments
        return (len(protocol.reader.buffer) if protocol else 0) + (len(fragments._data) if fragments else 0)


@pytest.mark.parametrize("seed", range(SEED, SEED + 10))
def test_whatever_comes_is_survived(seed: int) -> None:
    chance = random.Random(seed)
    for run in range(RUNS // 10):
        stage = Theatre(inbound_per_s=1e6, inbound_burst=chance.choice([50, 1e6]))
        other, peer = Browser(stage), Peer(stage, chance)
        for turn, piece in enumerate(pieces(chance)):
            if chance.random() < 0.05:
                peer.session.block()
            peer.session.receive(piece, turn / 100)
            if chance.random() < 0.3:
                peer.session.unblock()
            assert peer.kept() <= BYTES + CHUNK + 14, f"seed {seed}, run {run}"
            stage.tell(str(turn))
        peer.session.unblock()
        told = list(frames_in(bytes(peer.sent[peer.at :])))
        assert CLOSE not in [each.opcode for each in told[:-1]], (
            f"seed {seed}, run {run}: said after the close"
        )
        assert other.prices() == [str(i) for i in range(turn + 1)], f"seed {seed}, run {run}"
        peer.session.lost()
        assert len(stage.hub) == 1


def pieces(chance: random.Random) -> Iterator[bytes]:
    """Yield what somebody sends, cut at chance."""
    sent = bytearray().join(part(chance) for _ in range(chance.randrange(1, 30)))
    for _ in range(chance.choice([0, 0, 1, 3, 10])):
        sent[chance.randrange(len(sent))] ^= 1 << chance.randrange(8)
    while sent:
        size = chance.choice([1, 2, 7, 100, CHUNK])
        yield bytes(sent[:size])
        del sent[:size]


def part(chance: random.Random) -> bytes:
    """Return a frame as it should be, as it should not be, or noise."""
    size = chance.choice([1, 2, 5, 100, 125, 126, 127, 1000, 5000])
    said = chance.choice([b"x" * size, b"\xc3\xa9" * size, b'{"type":"subscribe","data":{"topics":[{}]}}'])
    parts = (
        chance.randbytes(size),
        frame(chance.randrange(16), said, fin=chance.random() < 0.8, rsv=chance.choice([0, 0, 1, 7])),
        frame(TEXT, said[:100], mask=chance.choice([None, b"\0\0\0\0"])),
        frame(CLOSE, chance.randbytes(chance.randrange(10))),
        frame(TEXT, said[:200], form=127),
        frame(TEXT, said[:50], fin=False) + frame(PING) + frame(CONTINUATION, said[50:90]),
        *[frame(opcode, said[:125]) for opcode in (PING, PONG)],
        *[frame(TEXT, said[: size % 300])] * 3,
    )
    return chance.choice(parts)
