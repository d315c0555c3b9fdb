"""All replays of one server: how many there may be, who may have one, and whose command is for which."""

import asyncio
import time

from bus import get_logger
from liveserver.hub.background import BackgroundTasks
from liveserver.hub.group import Viewer
from liveserver.hub.replica import Replica
from liveserver.protocol.client_messages import NotUnderstood, Replay, ReplayCommand, time_of
from liveserver.protocol.server_messages import ErrorData, Message, MessageType
from liveserver.protocol.symbol_names import Market
from liveserver.replay.replay import Showing, refusal
from liveserver.view.topics import Unknown, resolve, unknown_symbol

MARKETS_LIMIT = 20
"""Of one replay: their history is read for one viewer."""


class Replays:
    """Begins and ends them."""

    def __init__(self, replica: Replica, *, limit: int, errands: BackgroundTasks | None = None) -> None:
        log = get_logger("liveserver")
        self._replica = replica
        self._hub = replica.hub
        self._errands = errands or BackgroundTasks(log)
        self._log = log
        self._limit = limit
        self._running: dict[Viewer, tuple[Showing, asyncio.Task[None]]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, viewer: Viewer, said: Replay) -> None:
        """Show a viewer the past it asks for, in place of what it sees; or say why not."""
        try:
            showing = self._admitted(viewer, said)
        except NotUnderstood as why_not:
            self._hub.tell(viewer, refusal(str(why_not)))
            return
        self.end(viewer)
        task = self._errands.send(viewer, showing.run(), name="replay")
        self._running[viewer] = (showing, task)
        task.add_done_callback(lambda done: self._forget(viewer, done))

    def command(self, viewer: Viewer, said: ReplayCommand) -> None:
        """Have a viewer's replay do something."""
        running = self._running.get(viewer)
        try:
            if running is None:
                raise NotUnderstood("there is no replay; begin one with `replay`")
            running[0].command(said)
        except NotUnderstood as error:
            self._hub.tell(viewer, Message(MessageType.ERROR, ErrorData(error=str(error))))

    def end(self, viewer: Viewer) -> None:
        """Forget a viewer's replay, if it has one; what it sees next is not seen to."""
        if (running := self._running.pop(viewer, None)) is not None:
            running[1].cancel()

    def _forget(self, viewer: Viewer, task: asyncio.Task[None]) -> None:
        running = self._running.get(viewer)
        if running is not None and running[1] is task:
            del self._running[viewer]

    def _admitted(self, viewer: Viewer, said: Replay) -> Showing:
        asked, now = said.data, time.time_ns()
        start = time_of(asked.start)
        end = now if asked.end is None else min(time_of(asked.end), now)
        if start >= now:
            raise NotUnderstood("that has not happened yet: `from` is in the future")
        if start >= end:
            raise NotUnderstood("`from` has to be before `to`")
        projection, part = self._replica.projection, self._replica.part
        if projection is None or part is None or not part.bus.is_connected:
            raise NotUnderstood("the bus is out of reach")
        found = resolve(projection, said.wanted)
        if isinstance(found, Unknown):
            raise NotUnderstood(
                unknown_symbol(found.wanted.symbol, found.wanted.venue, projection.names.values())
            )
        markets: set[Market] = {channel.market for channel in found[0]}
        if not 1 <= len(markets) <= MARKETS_LIMIT:
            raise NotUnderstood(f"{len(markets)} symbols: a replay shows 1 to {MARKETS_LIMIT}")
        if viewer not in self._running and len(self._running) >= self._limit:
            raise NotUnderstood(f"{self._limit} replays run here, and that is the limit: try again later")
        return Showing(self._hub, part.bus, self._log, viewer, found[0], (start, end), asked.speed)
