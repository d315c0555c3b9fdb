"""Watches the requests to the venue: a cancel that it refuses is not repeated without a pause."""

from collections import defaultdict, deque

from lab.simulation.bus_model.server import BusModel
from lab.simulation.bus_model.streams.store import Stored
from lab.simulation.bus_model.streams.stream import Stream
from schemas.codec import try_decode
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, TimeNs
from schemas.venue.requests import OrderRequest, RequestAction, RequestOutcome

WINDOW_NS: DurationNs = 60 * SECOND_NS
MAX_REFUSED = 14
"""Refused cancels of one order within the window: six with pauses of 2, 4, 8, 16 and 32 s, and as many again from a second
gateway or engine that takes over, and from gateways that cancel by themselves."""
MAX_PROBLEMS = 5


class RequestWatch:
    """Counts the refused cancels of each order, as the gateways record them."""

    def __init__(self, model: BusModel) -> None:
        self.problems: list[str] = []
        self.refused: dict[ClientOrderId, int] = defaultdict(int)
        """Number of refused cancels by order."""
        self._recent: dict[ClientOrderId, deque[TimeNs]] = defaultdict(deque)
        self._seen: set[tuple[ClientOrderId, TimeNs]] = set()
        model.on_stored.append(self._on_stored)

    def _on_stored(self, stream: Stream, stored: Stored) -> None:
        if stream.name != "ORDERS" or not stored.subject.endswith(".request"):
            return
        record = try_decode(stored.data, OrderRequest)
        if record is None or record.action is not RequestAction.CANCEL:
            return
        if (
            record.outcome is not RequestOutcome.REJECTED
            or (record.client_order_id, record.time) in self._seen
        ):
            return  # carried out, or stored twice
        self._seen.add((record.client_order_id, record.time))
        self._on_refused(record.client_order_id, stored.time_ns)

    def _on_refused(self, client_order_id: ClientOrderId, time: TimeNs) -> None:
        self.refused[client_order_id] += 1
        recent = self._recent[client_order_id]
        recent.append(time)
        while recent[0] < time - WINDOW_NS:
            recent.popleft()
        if len(recent) > MAX_REFUSED and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{client_order_id}: {len(recent)} cancels were refused within a minute")
            recent.clear()
