"""The viewers of the benchmarks count and check what they receive."""

from typing import Any, cast

import pytest

from lab.bench.viewers import ingest_load
from lab.bench.viewers.fanout_load import FanoutLoad, FanoutViewer, NatsViewer
from lab.bench.viewers.ingest_load import IngestLoad, IngestViewer
from lab.bench.viewers.viewers_load import AgeLoad, AgeViewer

SIZE, DIGIT = 20, 15


class RecordingTransport:
    """A transport that records what is written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def connected(viewer: Any) -> Any:
    viewer.connection_made(cast(Any, RecordingTransport()))
    return viewer


def receive(viewer: Any, data: bytes, size: int) -> None:
    """Pass data to a viewer in reads of `size` bytes."""
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        viewer.get_buffer(0)[: len(piece)] = piece
        viewer.buffer_updated(len(piece))


def frame(number: int) -> bytes:
    return b"\x81\x12" + b"x" * 13 + b"%d" % (number % 10) + b"x" * 4


def in_frames(text: bytes, size: int) -> bytes:
    """Return a text in WebSocket frames of `size` bytes each."""
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return b"".join(
        b"\x82" + (bytes((len(p),)) if len(p) < 126 else b"\x7e" + len(p).to_bytes(2, "big")) + p
        for p in pieces
    )


@pytest.mark.parametrize("size", [1, 7, 20, 1000])
def test_frames_are_counted_in_reads_of_any_size(size: int) -> None:
    load = FanoutLoad(1, 30, SIZE, DIGIT, b"\x81")
    frames = b"".join(map(frame, range(30)))
    receive(connected(FanoutViewer(load)), b'HTTP/1.1 101 \r\n\r\n"begin"}}' + frames, size)

    assert (load.unfinished, load.faults) == (0, 0)


@pytest.mark.parametrize(
    "numbers", [[0, 1, 3, 4], [0, 1, 1, 2], [1, 2, 3, 4]], ids=["missing", "duplicate", "late"]
)
def test_a_missing_or_duplicate_message_is_a_fault(numbers: list[int]) -> None:
    load = FanoutLoad(1, 4, SIZE, DIGIT, b"\x81")
    receive(connected(FanoutViewer(load)), b'"begin"}}' + b"".join(map(frame, numbers)), 1000)

    assert load.faults


@pytest.mark.parametrize("frame_size", [1, 13, 200, 4000])
@pytest.mark.parametrize("size", [3, 50, 1000])
def test_nats_messages_are_counted_in_frames_of_any_size(frame_size: int, size: int) -> None:
    load = FanoutLoad(1, 30, SIZE, DIGIT, b"M")
    viewer = connected(NatsViewer(load))
    receive(viewer, b"HTTP/1.1 101 \r\n\r\n", 1000)
    receive(viewer, in_frames(b"INFO {}\r\n", 1000), 1000)
    receive(viewer, in_frames(b"PONG\r\n", 1000), 1000)
    messages = b"".join(b"M" + frame(number)[1:] for number in range(30))
    receive(viewer, in_frames(b'PING\r\nMSG 8\r\n"begin"}}\r\n' + messages, frame_size), size)

    assert (load.unfinished, load.faults) == (0, 0)
    assert viewer.transport.written.count(b"SUB bench 1") == 1
    assert viewer.transport.written.count(b"PUB ready 0") == 1
    assert viewer._payload_left == 0


def test_the_age_of_every_message_is_recorded_in_reads_of_any_size() -> None:
    for size in (1, 10, 25, 1000):
        load = AgeLoad(1, b'"last":"', b"")
        viewer = connected(AgeViewer(load))
        receive(viewer, b'{"type":"server"}', size)
        receive(viewer, b"".join(b'..{"last":"%019d"}..' % number for number in range(5)), size)

        assert (load.greeted, len(load.ages)) == (1, 5)


def test_bytes_are_counted_from_the_first_trade_to_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    counted = ingest_load.BEGIN + b'"trade_id":"t0"' * 40
    for size in (1, 33, 300):
        load = IngestLoad(1)
        viewer = connected(IngestViewer(load, is_checking=False))
        receive(viewer, ingest_load.GREETING + counted + ingest_load.END + b".", size)

        assert load.sizes == [len(counted)]
    assert capsys.readouterr().out.split() == ["ready", "begun"] * 3
