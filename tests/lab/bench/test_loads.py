"""What the benchmarks' viewers count: an error of theirs would be taken for a property of the server."""

from typing import Any, cast

import pytest

from lab.bench.viewers import ingest_load
from lab.bench.viewers.fanout_load import Load, NatsViewer, Viewer
from lab.bench.viewers.viewers_load import Everybody
from lab.bench.viewers.viewers_load import Viewer as Waiting

SIZE, DIGIT = 20, 15


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def connected(viewer: Any) -> Any:
    viewer.connection_made(cast(Any, Wire()))
    return viewer


def hear(viewer: Any, data: bytes, size: int) -> None:
    """Let a viewer hear something in pieces."""
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        viewer.get_buffer(0)[: len(piece)] = piece
        viewer.buffer_updated(len(piece))


def plain(number: int) -> bytes:
    return b"\x81\x12" + b"x" * 13 + b"%d" % (number % 10) + b"x" * 4


def framed(text: bytes, size: int) -> bytes:
    """Return a text in WebSocket frames that begin and end anywhere."""
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return b"".join(
        b"\x82" + (bytes((len(p),)) if len(p) < 126 else b"\x7e" + len(p).to_bytes(2, "big")) + p
        for p in pieces
    )


@pytest.mark.parametrize("size", [1, 7, 20, 1000])
def test_viewers_count_what_comes_however_it_is_cut(size: int) -> None:
    load = Load(1, 30, SIZE, DIGIT, b"\x81")
    hear(connected(Viewer(load)), b'HTTP/1.1 101 \r\n\r\n"begin"}}' + b"".join(map(plain, range(30))), size)

    assert (load.left, load.faults) == (0, 0)


@pytest.mark.parametrize(
    "numbers", [[0, 1, 3, 4], [0, 1, 1, 2], [1, 2, 3, 4]], ids=["missing", "twice", "late"]
)
def test_a_message_that_is_missing_or_twice_is_a_fault(numbers: list[int]) -> None:
    load = Load(1, 4, SIZE, DIGIT, b"\x81")
    hear(connected(Viewer(load)), b'"begin"}}' + b"".join(map(plain, numbers)), 1000)

    assert load.faults


@pytest.mark.parametrize("cut", [1, 13, 200, 4000])
@pytest.mark.parametrize("size", [3, 50, 1000])
def test_a_nats_servers_text_is_found_in_its_frames(cut: int, size: int) -> None:
    load = Load(1, 30, SIZE, DIGIT, b"M")
    viewer = connected(NatsViewer(load))
    hear(viewer, b"HTTP/1.1 101 \r\n\r\n", 1000)
    hear(viewer, framed(b"INFO {}\r\n", 1000), 1000)
    hear(viewer, framed(b"PONG\r\n", 1000), 1000)
    said = b"".join(b"M" + plain(number)[1:] for number in range(30))
    hear(viewer, framed(b'PING\r\nMSG 8\r\n"begin"}}\r\n' + said, cut), size)

    assert (load.left, load.faults) == (0, 0)
    assert viewer._transport.written.count(b"SUB bench 1") == 1
    assert viewer._transport.written.count(b"PUB ready 0") == 1
    assert viewer._left == 0


def test_ages_are_taken_from_each_message_however_it_is_cut() -> None:
    for size in (1, 10, 25, 1000):
        everybody = Everybody(1, b'"last":"', b"")
        viewer = connected(Waiting(everybody))
        hear(viewer, b'{"type":"server"}', size)
        hear(viewer, b"".join(b'..{"last":"%019d"}..' % number for number in range(5)), size)

        assert (everybody.greeted, len(everybody.ages)) == (1, 5)


def test_bytes_are_counted_from_the_first_message_to_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    counted = ingest_load.BEGIN + b'"trade_id":"t0"' * 40
    for size in (1, 33, 300):
        everybody = ingest_load.Everybody(1)
        viewer = connected(ingest_load.Viewer(everybody, is_checking=False))
        hear(viewer, ingest_load.GREETING + counted + ingest_load.END + b".", size)

        assert everybody.sizes == [len(counted)]
    assert capsys.readouterr().out.split() == ["ready", "begun"] * 3
