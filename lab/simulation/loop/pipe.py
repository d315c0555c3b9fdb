"""What is on the way from one end of a connection to the other, in order."""

from collections import deque
from typing import Protocol

from lab.simulation.loop.interfaces import Clock, Fabric, Route

FIN, RST = "fin", "rst"


class Sink(Protocol):
    """Where a pipe ends."""

    def arrive(self, item: bytes | str) -> None: ...


class Pipe:
    """What is on the way from one end of a connection to the other, in order."""

    def __init__(self, loop: Clock, network: Fabric, route: Route, sink: Sink) -> None:
        self.route = route
        self.sink = sink
        self.outstanding = 0
        """Bytes sent that the receiver has not taken yet."""
        self._loop, self._network = loop, network
        self._queue: deque[tuple[float, bytes | str]] = deque()
        self._last_arrival = 0.0
        self._is_scheduled = False

    def send(self, item: bytes | str) -> None:
        """Send data, or FIN or RST."""
        arrival = self._loop.true_time() + self._network.delay_s(self.route)
        self._last_arrival = max(self._last_arrival, arrival)
        if isinstance(item, bytes):
            self.outstanding += len(item)
        self._queue.append((self._last_arrival, item))
        self._schedule(self._last_arrival)

    def retry(self, delay_s: float) -> None:
        """Send again what could not arrive."""
        if self._queue:
            now = self._loop.true_time()
            self._queue = deque((max(due, now + delay_s), item) for due, item in self._queue)
            self._last_arrival = max(self._last_arrival, now + delay_s)
            self._is_scheduled = False
            self._schedule(self._queue[0][0])

    def clear(self) -> None:
        """Lose what is on the way."""
        self._queue.clear()
        self.outstanding = 0

    def _schedule(self, due: float) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_kernel(due, self._arrive)

    def _arrive(self) -> None:
        self._is_scheduled = False
        if self._network.is_blocked(self.route):
            return
        now, queue = self._loop.true_time(), self._queue
        while queue and queue[0][0] <= now:
            _, item = queue.popleft()
            if isinstance(item, bytes) and len(item) > 1 and self._is_cut():
                at = self._network.random.randrange(1, len(item))
                queue.appendleft((now + self._network.link_of(self.route).jitter_s, item[at:]))
                self._last_arrival = max(self._last_arrival, queue[0][0])
                item = item[:at]
            self.sink.arrive(item)
        if queue:
            self._schedule(queue[0][0])

    def _is_cut(self) -> bool:
        cut = self._network.link_of(self.route).cut
        return bool(cut) and self._network.random.random() < cut
