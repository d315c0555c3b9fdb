"""The viewers of `verify --viewers`: they connect, remember what they heard, and go on elsewhere when they are cut off."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from lab.chaos.load import Market

DIALECT = Subprotocol("opensqt.v2")
PAUSE_S = 0.3
"""Before another server is tried, at most."""
CONNECT_WITHIN_S = 5.0
CONNECTING = 50
"""At a time: more would only wait for each other."""
SILENCE_S = 5.0
"""A server speaks every second."""


class At(msgspec.Struct, frozen=True):
    """A position in a stream."""

    created: str
    sequence: int


class Streams(msgspec.Struct, frozen=True):
    """The part of `snapshot` and `streams` that counts here."""

    streams: dict[str, At]
    reason: str = ""


class DurableInput(msgspec.Struct, frozen=True):
    """A message."""

    type: str
    data: msgspec.Raw
    seq: str = ""


class Told(NamedTuple):
    """What some viewer was told of an event first."""

    type: str
    data: bytes


_message = msgspec.json.Decoder(DurableInput)
_streams = msgspec.json.Decoder(Streams)


class Viewer:
    """One viewer's memory. Without topics it sees everything."""

    def __init__(self, name: str, topics: Sequence[Market]) -> None:
        self.name = name
        self._topics = topics
        self._tokens = frozenset(market.token for market in topics)
        self.positions: dict[str, At] = {}
        self.begins: dict[str, int] = {}
        """What its snapshot included."""
        self.sequences: defaultdict[str, list[int]] = defaultdict(list)
        self.snapshots: list[str] = []
        self.faults: list[str] = []
        self.resumed = 0

    @property
    def heard(self) -> int:
        return sum(len(each) for each in self.sequences.values())

    def hears(self, token: str) -> bool:
        """Tell whether a symbol is one of its topics; `token` is that of the subject."""
        return not self._topics or token in self._tokens

    @property
    def query(self) -> str:
        """What it asks for, and from where on."""
        asked: list[tuple[str, str]] = [("symbol", market.symbol) for market in self._topics] or [
            ("symbol", "*")
        ]
        asked += [("resume", f"{name}:{at.sequence}:{at.created}") for name, at in self.positions.items()]
        return urlencode(asked)

    def take(self, text: bytes | str) -> tuple[str, Told] | None:
        """Take note of a message; return a durable event's number and what was said of it."""
        message = _message.decode(text)
        match message.type:
            case "snapshot":
                self._begin(_streams.decode(message.data))
            case "streams":
                self.positions = _streams.decode(message.data).streams
            case "resumed":
                self.resumed += 1
            case "error":
                self.faults.append(f"it was told {bytes(message.data)!r}")
        stream, _, number = message.seq.partition(":")
        if stream not in self.positions:
            return None
        sequence = int(number)
        self.sequences[stream].append(sequence)
        self.positions[stream] = At(self.positions[stream].created, sequence)
        return message.seq, Told(message.type, bytes(message.data))

    def has(self, ends: Mapping[str, int]) -> bool:
        """Tell whether it knows these streams up to there."""
        return all(
            stream in self.positions and self.positions[stream].sequence >= end
            for stream, end in ends.items()
        )

    def _begin(self, snapshot: Streams) -> None:
        self.positions = snapshot.streams
        self.snapshots.append(snapshot.reason)
        if len(self.snapshots) == 1:
            self.begins = {stream: at.sequence for stream, at in snapshot.streams.items()}


class Everybody:
    """All viewers, and what was ever told of each event: it is to be the same, whoever tells it."""

    def __init__(self, ports: Sequence[int], seed: int) -> None:
        self._ports = ports
        self._random = random.Random(seed)
        self._viewers: list[Viewer] = []
        self._told: dict[str, Told] = {}
        self._connecting = asyncio.Semaphore(CONNECTING)
        self._news = asyncio.Event()
        self.differences: list[str] = []
        self.connections = 0

    @property
    def resumed(self) -> int:
        return sum(viewer.resumed for viewer in self._viewers)

    def viewer(self, topics: Sequence[Market]) -> Viewer:
        """Return one more viewer."""
        viewer = Viewer(f"viewer {len(self._viewers)}", topics)
        self._viewers.append(viewer)
        return viewer

    async def run(self) -> None:
        """Watch, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for viewer in self._viewers:
                tasks.create_task(self._watch(viewer))

    async def seeing(self) -> None:
        """Return when everybody has its first snapshot."""
        await self._until(lambda viewer: bool(viewer.snapshots))

    async def told(self, ends: Mapping[str, int]) -> None:
        """Return when everybody knows these streams up to there."""
        await self._until(lambda viewer: viewer.has(ends))

    async def _until(self, is_so: Callable[[Viewer], bool]) -> None:
        while not all(is_so(viewer) for viewer in self._viewers):
            self._news.clear()
            await self._news.wait()
            await asyncio.sleep(0.1)  # there is news all the time

    async def _watch(self, viewer: Viewer) -> None:
        while True:
            with suppress(OSError, TimeoutError, WebSocketException):  # it died, or is not there yet
                await self._watch_once(viewer, self._random.choice(self._ports))
            await asyncio.sleep(self._random.random() * PAUSE_S)

    async def _watch_once(self, viewer: Viewer, port: int) -> None:
        async with self._connecting:
            socket = await connect(
                f"ws://127.0.0.1:{port}/ws?{viewer.query}",
                subprotocols=[DIALECT],
                compression=None,
                ping_interval=None,
                close_timeout=1,
                open_timeout=CONNECT_WITHIN_S,
                max_size=None,
            )
        self.connections += 1
        async with socket:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    text = await socket.recv(decode=False)
                if (told := viewer.take(text)) is not None:
                    self._compare(viewer, *told)
                self._news.set()

    def _compare(self, viewer: Viewer, seq: str, told: Told) -> None:
        first = self._told.setdefault(seq, told)
        if first != told:
            self.differences.append(f"{viewer.name}: {seq} is {told}, another was told {first}")
