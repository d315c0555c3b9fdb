"""The replays of a server: limit, validation of requests, and routing of commands."""

import asyncio

from bus import get_logger
from bus.runtime import time_ns
from liveserver.hub.background import BackgroundTasks
from liveserver.hub.group import Viewer
from liveserver.hub.replica import Replica
from liveserver.protocol.client_messages import InvalidRequest, ReplayCommand, parse_time
from liveserver.protocol.client_messages import Replay as ReplayRequest
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import ErrorData
from liveserver.protocol.symbol_names import Market
from liveserver.replay.replay import Replay, replay_rejected
from liveserver.view.topics import UnknownTopic, describe_unknown_symbol, resolve

MAX_MARKETS = 20
"""Markets of one replay, because their history is read for one viewer alone."""


class Replays:
    """At most `limit` running replays, at most one per viewer."""

    def __init__(self, replica: Replica, *, limit: int, background: BackgroundTasks | None = None) -> None:
        log = get_logger("liveserver")
        self._replica = replica
        self._hub = replica.hub
        self._background = background or BackgroundTasks(log)
        self._log = log
        self._limit = limit
        self._running: dict[Viewer, tuple[Replay, asyncio.Task[None]]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def is_running(self, viewer: Viewer) -> bool:
        """Return whether a viewer has a replay."""
        return viewer in self._running

    def start(self, viewer: Viewer, request: ReplayRequest) -> None:
        """Replace a viewer's live data by a replay, or send it the reason why not."""
        try:
            replay = self._create(viewer, request)
        except InvalidRequest as error:
            self._hub.send(viewer, replay_rejected(str(error)))
            return
        self.cancel(viewer)
        task = self._background.start(viewer, replay.run(), name="replay")
        self._running[viewer] = (replay, task)
        task.add_done_callback(lambda done: self._discard(viewer, done))

    def command(self, viewer: Viewer, command: ReplayCommand) -> None:
        """Pass a command to a viewer's replay; send the viewer an error if that is not possible."""
        running = self._running.get(viewer)
        try:
            if running is None:
                raise InvalidRequest("no replay is running; start one with `replay`")
            running[0].command(command)
        except InvalidRequest as error:
            self._hub.send(viewer, Message(MessageType.ERROR, ErrorData(error=str(error))))

    def cancel(self, viewer: Viewer) -> None:
        """Cancel a viewer's replay, if it has one. The caller decides what the viewer receives next."""
        if (running := self._running.pop(viewer, None)) is not None:
            running[1].cancel()

    def _discard(self, viewer: Viewer, task: asyncio.Task[None]) -> None:
        running = self._running.get(viewer)
        if running is not None and running[1] is task:
            del self._running[viewer]

    def _create(self, viewer: Viewer, request: ReplayRequest) -> Replay:
        # First, because it is the cheapest reason to refuse.
        if viewer not in self._running and len(self._running) >= self._limit:
            raise InvalidRequest(f"the limit of {self._limit} concurrent replays is reached; retry later")
        requested, now = request.data, time_ns()
        start = parse_time(requested.start)
        end = now if requested.end is None else min(parse_time(requested.end), now)
        if start >= now:
            raise InvalidRequest("`from` must be in the past")
        if start >= end:
            raise InvalidRequest("`from` must be before `to`")
        projection, bus = self._replica.projection, self._replica.bus
        if projection is None or bus is None:
            raise InvalidRequest("the bus is unreachable; retry later")
        found = resolve(projection, request.topics)
        if isinstance(found, UnknownTopic):
            raise InvalidRequest(describe_unknown_symbol(projection, found.topic.symbol, found.topic.venue))
        markets: set[Market] = {channel.market for channel in found[0]}
        if not 1 <= len(markets) <= MAX_MARKETS:
            raise InvalidRequest(f"{len(markets)} symbols requested; a replay has 1 to {MAX_MARKETS}")
        return Replay(self._hub, bus, self._log, viewer, found[0], (start, end), requested.speed)
