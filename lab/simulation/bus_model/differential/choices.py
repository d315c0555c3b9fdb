"""Random subjects, sequences, headers and messages, most of which fit the present streams."""

import random
import time

from lab.simulation.bus_model.differential.stream_configs import NAMES
from lab.simulation.bus_model.gojson import format_time
from lab.simulation.bus_model.server import BusModel
from lab.simulation.bus_model.streams.stream import Stream

BOUNDARIES = 50
"""Moments between operations that requests by time may name."""
WITHOUT_HEADERS = 3
"""The client that does not use headers."""
TTLS = ("1h", "3600", "never", "1h30m", "0", "-1", "0.5s", "x", "90m1s", "1.5h", "00")


def encode(subject: str, reply: str, data: bytes, lines: str = "", status: str = "") -> bytes:
    """Return the bytes that publish a message, with header lines."""
    to = f"{subject} {reply}".rstrip()
    if not lines and not status:
        return b"PUB %b %d\r\n%b\r\n" % (to.encode(), len(data), data)
    block = f"NATS/1.0{status}\r\n{lines}\r\n".encode()
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (to.encode(), len(block), len(block) + len(data), block, data)


class Choices:
    """Draws what operations are made of."""

    def __init__(self, model: BusModel, random: random.Random) -> None:
        self.has_removals = True
        """Whether messages are removed otherwise than by limits."""
        self._model = model
        self._random = random
        self._moments: list[int] = [time.time_ns()]

    def note_moment(self) -> None:
        """Remember the present moment, at which no operation is under way."""
        self._moments = [*self._moments[-BOUNDARIES:], time.time_ns()]

    def name(self) -> str:
        names = list(self._model.streams)
        return (
            self._random.choice(names)
            if names and self._random.random() < 0.97
            else self._random.choice(NAMES)
        )

    def subject(self, name: str) -> str:
        random, token = self._random, name.lower()
        stream = self._model.streams.get(name)
        if stream is not None and stream.store.subjects and random.random() < 0.3:
            return random.choice(list(stream.store.subjects))
        tail = random.choice(
            ["a.x", "a.y", "a.z", "b.x", "b.y.z", "c", "b.BTC-USDT_USDT", f"b.{random.randrange(40)}"]
        )
        return f"{token}.{tail}"

    def filter(self, name: str) -> str:
        token = name.lower()
        return self._random.choice(
            [f"{token}.>", f"{token}.a.*", f"{token}.*.x", f"{token}.b.>", f"{token}.*", ">", "*.a.x", "nope"]
            + [self.subject(name)] * 5
        )

    def sequence(self, stream: Stream | None) -> int:
        random = self._random
        if stream is None:
            return random.randrange(5)
        store = stream.store
        near = [0, 1, store.first, store.last, store.last + 1, store.last + 9, max(store.last - 3, 0)]
        if store.last and random.random() < 0.6:
            return random.randint(max(store.first - 2, 0), store.last + 1)
        return random.choice(near)

    def moment(self) -> str:
        text = format_time(self._random.choice(self._moments))
        return self._random.choice([text, text, "2001-01-01T00:00:00Z", "2101-01-01T02:00:00+02:00"])

    def since_moment(self, stream: Stream | None) -> dict[str, object]:
        """Return a request for the first message since a moment.

        Without a filter, a file store of several blocks may name a message by its time that is deleted, and then finds none.
        """
        body: dict[str, object] = {"start_time": self.moment()}
        return body | {"next_by_subj": ">"} if stream is not None and stream.store.is_file else body

    def may_name_time(self, name: str) -> bool:
        """Return whether the end of a request may be a time: not of a file store, for the same reason."""
        stream = self._model.streams.get(name)
        return stream is None or not stream.store.is_file

    def lines(self, name: str, subject: str) -> str:
        random, stream = self._random, self._model.streams.get(name)
        lines = []
        if random.random() < 0.3:
            lines.append(f"Nats-Msg-Id: id{random.randrange(60)}")
        if stream is not None:
            lines += self._expectations(name, subject, stream)
        if random.random() < 0.05:
            lines.append(f"Nats-Expected-Last-Msg-Id: id{random.randrange(60)}")
        if random.random() < 0.05:
            lines.append(f"Nats-Expected-Stream: {random.choice(NAMES)}")
        if random.random() < 0.12:
            lines.append(f"Nats-TTL: {random.choice(TTLS)}")
        if random.random() < 0.08 and self.has_removals:
            lines.append(f"Nats-Rollup: {random.choice(['sub', 'SUB', 'all', 'sub', 'none'])}")
        if random.random() < 0.4:
            lines += ["schema: Step", "content-type:application/json"]
        if random.random() < 0.02:
            lines.append(random.choice(["Nats-Stream-Source: x", "Status: 5", "Nats-Msg-Id:", "empty: "]))
        random.shuffle(lines)
        return "".join(f"{line}\r\n" for line in lines)

    def data(self) -> bytes:
        size = self._random.choice([0, 1, 5, 20, 20, 60, 150, 300])
        return bytes(self._random.choices(b"abcdefghijkl <>{}\r\n\x00\xff", k=size))

    def message(self, client: int, reply: str) -> bytes:
        name = self.name()
        subject = self.subject(name)
        can_have_headers = client != WITHOUT_HEADERS or self._random.random() < 0.02
        lines = self.lines(name, subject) if can_have_headers and self._random.random() < 0.7 else ""
        status = self._random.choice([" 100 Idle", " 503", ""]) if self._random.random() < 0.02 else ""
        return encode(subject, reply, self.data(), lines, status)

    def _expectations(self, name: str, subject: str, stream: Stream) -> list[str]:
        random = self._random
        lines = []
        if random.random() < 0.35:
            other = random.choice([self.filter(name), self.subject(name)]) if random.random() < 0.3 else ""
            last = stream.store.load_last(other or subject)
            expected = last.sequence if last is not None else 0
            if random.random() < 0.3:
                expected = self.sequence(stream)
            if random.random() < 0.97:
                lines.append(f"Nats-Expected-Last-Subject-Sequence: {expected}")
            if other:
                lines.append(f"Nats-Expected-Last-Subject-Sequence-Subject: {other}")
        if random.random() < 0.1:
            lines.append(
                f"Nats-Expected-Last-Sequence: {random.choice([stream.store.last, self.sequence(stream), 'x'])}"
            )
        return lines
