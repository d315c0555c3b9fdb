"""The trace of each order, so that its reports and trades continue the trace of the step that decided on it.

The venue's private stream knows nothing of traces: they come from the headers of the gateway's intents, which are stored
before anything is sent. Only the newest orders are kept; a report of another order starts a trace of its own.
"""

from bus import Message
from schemas.codec import try_decode
from schemas.traceparent import traceparent_in
from schemas.units import ClientOrderId
from schemas.venue.orders import OrderIntent

MAX_ORDERS = 10_000


class OrderTraces:
    """The traceparent of the newest intent about each order."""

    def __init__(self) -> None:
        self._traces: dict[ClientOrderId, str] = {}

    def on_intent(self, message: Message) -> None:
        """Record the trace of the orders of an intent; other messages are ignored."""
        trace, intent = traceparent_in(message.headers), try_decode(message.data, OrderIntent)
        if not trace or intent is None:
            return
        for decision in intent.decisions:
            self._traces.pop(decision.client_order_id, None)  # so that the newest are at the end
            self._traces[decision.client_order_id] = trace
        while len(self._traces) > MAX_ORDERS:
            del self._traces[next(iter(self._traces))]

    def of(self, client_order_id: ClientOrderId) -> str:
        """Return the traceparent of an order; empty if it is unknown."""
        return self._traces.get(client_order_id, "")
