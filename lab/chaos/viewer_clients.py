"""WebSocket clients of `verify --viewers`: record events, and resume at another live server."""

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

PROTOCOL_VERSION = Subprotocol("opensqt.v2")
MAX_RECONNECT_DELAY_S = 0.3
CONNECT_TIMEOUT_S = 5.0
MAX_CONCURRENT_CONNECTS = 50
RECEIVE_TIMEOUT_S = 5.0
"""Time without a message after which a viewer reconnects: a live server sends one every second."""


class StreamCursor(msgspec.Struct, frozen=True):
    """The last event received of a stream: `{"created": "2026-11-21T09:00:00.1Z", "sequence": 17}`."""

    created: str
    sequence: int


class StreamCursors(msgspec.Struct, frozen=True):
    """The data of `streams`, and the fields of `snapshot` that are compared."""

    streams: dict[str, StreamCursor]
    reason: str = ""


class ServerMessage(msgspec.Struct, frozen=True):
    """A message of the live protocol: `{"type": "orders", "seq": "ORDERS:17", "data": ...}`."""

    type: str
    data: msgspec.Raw
    seq: str = ""


class EventContent(NamedTuple):
    """The content of a durable event, the same at every live server."""

    type: str
    data: bytes


_message = msgspec.json.Decoder(ServerMessage)
_cursors = msgspec.json.Decoder(StreamCursors)


class Viewer:
    """The messages that one viewer has received. Without topics it subscribes to all symbols."""

    def __init__(self, name: str, topics: Sequence[Market]) -> None:
        self.name = name
        self._topics = topics
        self._tokens = frozenset(market.token for market in topics)
        self.cursors: dict[str, StreamCursor] = {}
        self.snapshot_sequences: dict[str, int] = {}
        """By stream: the last event included in the first snapshot."""
        self.sequences: defaultdict[str, list[int]] = defaultdict(list)
        """By stream: the events received, in order of receipt."""
        self.snapshots: list[str] = []
        """The reason of each snapshot."""
        self.errors: list[str] = []
        self.resumed = 0

    @property
    def received(self) -> int:
        return sum(len(each) for each in self.sequences.values())

    def subscribes_to(self, token: str) -> bool:
        """Return whether a symbol is one of the topics; `token` is its subject token, as `BTC-USDT_USDT`."""
        return not self._topics or token in self._tokens

    @property
    def query(self) -> str:
        """The URL query: topics, and the cursors to resume from, as `symbol=%2A&resume=ORDERS%3A17%3A...`."""
        parameters: list[tuple[str, str]] = [("symbol", market.symbol) for market in self._topics] or [
            ("symbol", "*")
        ]
        parameters += [
            ("resume", f"{name}:{cursor.sequence}:{cursor.created}") for name, cursor in self.cursors.items()
        ]
        return urlencode(parameters)

    def receive(self, text: bytes | str) -> tuple[str, EventContent] | None:
        """Record a message; return the `seq` and content of a durable event, else None."""
        message = _message.decode(text)
        match message.type:
            case "snapshot":
                self._start_from(_cursors.decode(message.data))
            case "streams":
                self.cursors = _cursors.decode(message.data).streams
            case "resumed":
                self.resumed += 1
            case "error":
                self.errors.append(f"received the error {bytes(message.data)!r}")
        stream, _, number = message.seq.partition(":")
        if stream not in self.cursors:
            return None
        sequence = int(number)
        self.sequences[stream].append(sequence)
        self.cursors[stream] = StreamCursor(self.cursors[stream].created, sequence)
        return message.seq, EventContent(message.type, bytes(message.data))

    def has_reached(self, sequences: Mapping[str, int]) -> bool:
        """Return whether the cursor of each of these streams is at its sequence or beyond."""
        return all(
            stream in self.cursors and self.cursors[stream].sequence >= sequence
            for stream, sequence in sequences.items()
        )

    def _start_from(self, snapshot: StreamCursors) -> None:
        self.cursors = snapshot.streams
        self.snapshots.append(snapshot.reason)
        if len(self.snapshots) == 1:
            self.snapshot_sequences = {stream: cursor.sequence for stream, cursor in snapshot.streams.items()}


class ViewerPool:
    """All viewers and their connections. An event must have the same content for every viewer."""

    def __init__(self, addresses: Sequence[str], seed: int) -> None:
        """`addresses` are those of the live servers: `127.0.0.1:8080`."""
        self._addresses = addresses
        self._random = random.Random(seed)
        self._viewers: list[Viewer] = []
        self._contents: dict[str, EventContent] = {}
        self._connecting = asyncio.Semaphore(MAX_CONCURRENT_CONNECTS)
        self._received = asyncio.Event()
        self.differences: list[str] = []
        self.connections = 0

    @property
    def resumed(self) -> int:
        return sum(viewer.resumed for viewer in self._viewers)

    def add_viewer(self, topics: Sequence[Market]) -> Viewer:
        """Add a viewer, which `run` connects, and return it."""
        viewer = Viewer(f"viewer {len(self._viewers)}", topics)
        self._viewers.append(viewer)
        return viewer

    async def run(self) -> None:
        """Keep all viewers connected. Never returns."""
        async with asyncio.TaskGroup() as tasks:
            for viewer in self._viewers:
                tasks.create_task(self._keep_connected(viewer))

    async def wait_snapshots(self) -> None:
        """Return when every viewer has received a snapshot."""
        await self._wait_all(lambda viewer: bool(viewer.snapshots))

    async def wait_cursors(self, sequences: Mapping[str, int]) -> None:
        """Return when every viewer has reached these sequences."""
        await self._wait_all(lambda viewer: viewer.has_reached(sequences))

    async def _wait_all(self, condition: Callable[[Viewer], bool]) -> None:
        while not all(condition(viewer) for viewer in self._viewers):
            self._received.clear()
            await self._received.wait()
            await asyncio.sleep(0.1)  # messages arrive all the time: do not check after each

    async def _keep_connected(self, viewer: Viewer) -> None:
        while True:
            with suppress(OSError, TimeoutError, WebSocketException):  # killed, or not started yet
                await self._connect_and_receive(viewer, self._random.choice(self._addresses))
            await asyncio.sleep(self._random.random() * MAX_RECONNECT_DELAY_S)

    async def _connect_and_receive(self, viewer: Viewer, address: str) -> None:
        async with self._connecting:
            socket = await connect(
                f"ws://{address}/ws?{viewer.query}",
                subprotocols=[PROTOCOL_VERSION],
                compression=None,
                ping_interval=None,
                close_timeout=1,
                open_timeout=CONNECT_TIMEOUT_S,
                max_size=None,
                proxy=None,
            )
        self.connections += 1
        async with socket:
            while True:
                async with asyncio.timeout(RECEIVE_TIMEOUT_S):
                    text = await socket.recv(decode=False)
                if (event := viewer.receive(text)) is not None:
                    self.compare(viewer, *event)
                self._received.set()

    def compare(self, viewer: Viewer, seq: str, content: EventContent) -> None:
        """Record a difference when the same event was received before with other content."""
        first = self._contents.setdefault(seq, content)
        if first != content:
            self.differences.append(f"{viewer.name}: {seq} is {content}; it was received before as {first}")
