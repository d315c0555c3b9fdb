"""The traces of orders, from the intents."""

import msgspec
import pytest

from bus import Message
from producers.account import order_traces
from producers.account.order_traces import OrderTraces
from schemas.codec import encode
from schemas.traceparent import new_trace
from schemas.units import ClientOrderId
from schemas.venue.orders import OrderIntent
from tests.builders import BTC, CANCEL, PLACE, SIM


def intent(order: str, trace: str, *, cancels: bool = False) -> Message:
    decision = msgspec.structs.replace(CANCEL if cancels else PLACE, client_order_id=ClientOrderId(order))
    event = OrderIntent(venue=SIM, symbol=BTC, epoch=1, step=1, step_sequence=1, decisions=(decision,))
    return Message("order.sim.BTC.intent", encode(event), {"traceparent": trace}, "")


def test_an_order_has_the_trace_of_its_newest_intent() -> None:
    traces, (first, second) = OrderTraces(), (new_trace("1"), new_trace("2"))
    traces.on_intent(intent("a", first))
    assert (traces.of(ClientOrderId("a")), traces.of(ClientOrderId("b"))) == (first, "")
    traces.on_intent(intent("a", second, cancels=True))
    assert traces.of(ClientOrderId("a")) == second


def test_only_the_newest_orders_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_traces, "MAX_ORDERS", 2)
    traces = OrderTraces()
    for order in ("a", "b", "a", "c"):
        traces.on_intent(intent(order, new_trace(order)))
    assert [bool(traces.of(ClientOrderId(each))) for each in ("a", "b", "c")] == [True, False, True]


def test_other_messages_are_ignored() -> None:
    traces = OrderTraces()
    traces.on_intent(Message("order.sim.BTC.intent", b"{", {"traceparent": new_trace("1")}, ""))
    traces.on_intent(intent("a", "malformed"))
    assert traces.of(ClientOrderId("a")) == ""
