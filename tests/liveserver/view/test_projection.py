"""The projection: the messages that follow from each event, and the order of a snapshot."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from liveserver.protocol.server_messages import encode_message
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view.projection import Outgoing, Projection
from schemas.codec import Event
from schemas.engine.events import AlertRaised, DecisionMade
from schemas.grid.view import NotQuoting
from schemas.units import ClientOrderId
from schemas.venue.market import FeedState
from schemas.venue.orders import CancelOrder, OrderStatus
from tests.builders import BTC, SIM
from tests.liveserver import events
from tests.liveserver.events import ETH, SPOT, START_S
from tests.liveserver.viewer_model import ViewerModel

MARKET = Market(SIM, BTC)
LABEL = {"symbol": "BTCUSDT", "venue": "sim", "market": "BTC/USDT:USDT"}


def _read(outgoing: list[Outgoing]) -> list[tuple[str, Any]]:
    messages = [json.loads(encode_message(each.message)) for each in outgoing]
    return [(message["type"], message["data"]) for message in messages]


def _messages(event: Event, sequence: int = 1) -> list[tuple[str, Any]]:
    return _read(Projection().apply(event, sequence))


def _snapshot(projection: Projection, market: Market = MARKET, interval: str = "1m") -> ViewerModel:
    return ViewerModel().take(projection.snapshot(Channel(market, interval)))


def test_candle_is_published_to_its_interval() -> None:
    projection = Projection()
    projection.apply(events.candle(0), 1)

    outgoing = projection.apply(events.candle(1, "100.5", closed=False), 1)

    assert [channel for channel, *_ in outgoing] == [Channel(MARKET, "1m")]
    assert _read(outgoing) == [
        (
            "kline",
            {
                "time": START_S + 60,
                "open": "100.5",
                "high": "101.5",
                "low": "99.5",
                "close": "100.5",
                "volume": "1.5",
                "forming": True,
            },
        )
    ]


def test_order_report_is_published_as_an_order() -> None:
    [(kind, data)] = _messages(events.report("a", OrderStatus.PARTIALLY_FILLED, "0.25"))

    assert kind == "orders"
    assert data == {
        **LABEL,
        "id": "a",
        "price": "99",
        "side": "BUY",
        "status": "PARTIALLY_FILLED",
        "type": "LIMIT",
        "quantity": "1",
        "filled": "0.25",
        "reduce_only": False,
        "time": START_S,
        "detail": "",
    }


@pytest.mark.parametrize("status", [status for status in OrderStatus if status.is_terminal])
def test_terminal_statuses_are_those_known_to_pages(status: OrderStatus) -> None:
    [(_, data)] = _messages(events.report("a", status))

    assert data["status"] in {"FILLED", "CANCELED", "EXPIRED", "REJECTED"}


def test_trade_is_published_as_a_trade_event() -> None:
    [(kind, data)] = _messages(events.trade("7", quantity="0.5", second=2))

    assert kind == "trade_event"
    assert {key: data[key] for key in ("side", "price", "amount", "symbol", "time")} == {
        "side": "buy",
        "price": "99.5",
        "amount": "0.5",
        "symbol": "BTCUSDT",
        "time": START_S + 2,
    }
    assert (data["trade_id"], data["grid_profit"]) == ("7", None)


def test_booking_is_published_as_a_fill_of_the_same_trade() -> None:
    projection = Projection()
    projection.apply(events.trade("7"), 1)

    [(kind, data)] = _read(projection.apply(events.fill("7", profit="0.4"), 1))

    assert (kind, data["grid_profit"], data["opens"]) == ("fill", "0.4", False)


@pytest.mark.parametrize(("asset", "value"), [("USDT", "0.01"), ("BTC", "0.995"), ("BNB", None)])
def test_trade_has_the_value_of_its_fee(asset: str, value: str | None) -> None:
    own = msgspec.structs.replace(events.trade("7"), fee=Decimal("0.01"), fee_asset=asset)
    [(_, data)] = _messages(own)

    assert (data["fee"], data["fee_asset"], data["is_fee_estimated"]) == ("0.01", asset, None)
    assert data["fee_value"] == value


def test_profit_is_published_with_the_fees_it_does_not_include() -> None:
    projection = Projection()
    [(_, data)] = _read(
        projection.apply(msgspec.structs.replace(events.grid(), fees_other={"BNB": Decimal("5E-7")}), 1)
    )
    (symbol,) = projection.summary()

    assert data["fees_other"] == {"BNB": "0.0000005"}
    assert symbol.fees_other == {"BNB": "0.0000005"}


def test_position_is_published_with_its_side() -> None:
    [(kind, data)] = _messages(events.position("-2"))

    assert kind == "position"
    assert (data["amount"], data["entryPrice"], data["unrealizedPnL"]) == ("-2", "98", "-4")
    assert (data["leverage"], data["side"], data["symbol"]) == ("3", "SHORT", "BTCUSDT")


def test_balance_is_published_to_the_markets_of_its_asset() -> None:
    projection = Projection()
    for symbol in (BTC, ETH, SPOT):
        projection.apply(events.ticker(symbol=symbol), 1)

    outgoing = projection.apply(events.balance("BTC", "2"), 1)

    assert [channel.market.symbol for channel, *_ in outgoing] == [SPOT]
    [(kind, data)] = _read(outgoing)
    assert kind == "account"
    assert {key: data[key] for key in ("asset", "free", "balance", "marginBalance", "equity")} == {
        "asset": "BTC",
        "free": "-98",
        "balance": "2",
        "marginBalance": "4",
        "equity": "4",
    }
    assert (data["unrealizedPnL"], data["symbol"]) == ("2", "BTCUSDT.SPOT")


def test_grid_is_published_with_its_slots_and_accounting() -> None:
    [(kind, data)] = _messages(events.grid(not_quoting=NotQuoting.PAUSED))

    assert kind == "grid_state"
    assert (data["anchor_price"], data["price_interval"]) == ("100", "0.5")
    assert [(slot["slot_id"], slot["price"], slot["side"], slot["status"]) for slot in data["slots"]] == [
        (-1, "99.5", "BUY", "OPEN"),
        (-2, "99", None, "EMPTY"),
    ]
    assert (data["total_profit"], data["paused"], data["not_quoting"]) == ("1.9", True, "paused")


def incident(name: str, second: float, *, ended: bool = False) -> AlertRaised:
    return replace(events.alert("silent", second=second), incident=name, ended=ended)


def test_an_incident_that_two_parts_raise_is_published_once() -> None:
    projection = Projection()
    raised = [incident("a", 1), incident("a", 2), incident("b", 2), incident("a", 3, ended=True)]

    published = [data for each in raised for _, data in _read(projection.apply(each, 1))]

    shown = [("a", True), ("b", True), ("a", False)]
    assert [(data["incident"], data["active"]) for data in published] == shown
    assert [(data["incident"], data["active"]) for _, data in _snapshot(projection).state["notices"]] == shown


def test_a_grid_that_is_too_new_is_a_problem_until_the_next_one() -> None:
    projection = Projection()

    [(kind, data)] = _read(projection.set_problem(MARKET, "update this program"))
    after = _read(projection.apply(events.grid(), 1))

    assert (kind, data["problem"]) == ("status", "update this program")
    assert [(kind, data.get("problem")) for kind, data in after] == [("status", ""), ("grid_state", None)]
    assert projection.problems == {}


def test_guard_change_is_published_as_alert_and_risk_status() -> None:
    projection = Projection()
    projection.apply(events.risk("volume", second=1), 1)

    (alert, off), (status, data) = _read(projection.apply(events.risk("volume", active=False, second=2), 2))

    assert (alert, off["severity"], off["reason"], off["active"]) == ("risk_alert", "HIGH", "volume", False)
    assert (off["message"], off["details"]) == ("volume 4.1 times the mean", {"volume_ratio": "4.1"})
    assert (status, data["status"], data["active"]) == ("risk_status", "normal", [])


def test_an_alert_of_version_1_has_a_sentence_and_no_figures() -> None:
    old = msgspec.structs.replace(events.risk("volume"), figures={})
    (_, data), _ = _read(Projection().apply(old, 1))
    assert (data["message"], data["details"]) == (old.details, {})


def test_a_change_of_quoting_is_published_and_kept() -> None:
    projection = Projection()
    [(kind, data)] = _read(projection.apply(events.quoting(NotQuoting.PAUSED), 1))
    assert (kind, data["previous"], data["reason"]) == ("quoting", None, "paused")
    assert data["text"] == "The symbol was paused by an operator; closing orders continue."
    (market,) = projection.names
    assert [each.reason for each in projection.view(market).quoting_changes()] == ["paused"]


def test_older_guard_change_does_not_override_a_newer_one() -> None:
    projection = Projection()
    projection.apply(events.risk("volume", active=False, second=2), 1)
    projection.apply(events.risk("volume", active=True, second=1), 2)

    assert _snapshot(projection).state["risk_status"]["status"] == "normal"


def test_repeated_notices_are_published_once() -> None:
    projection = Projection()
    notices: list[Event] = [
        events.alert("disk"),
        events.quoting(None),
        events.reconciled("a"),
        events.corrected("1"),
        events.result("c1"),
    ]

    first = [kind for event in notices for kind, _ in _read(projection.apply(event, 1))]
    again = [kind for event in notices for kind, _ in _read(projection.apply(event, 2))]

    assert first == ["risk_alert", "quoting", "reconciliation", "position_corrected", "control"]
    assert again == []


def test_new_interval_updates_the_status_of_all_intervals() -> None:
    projection = Projection()
    projection.apply(events.candle(1), 1)

    outgoing = projection.apply(events.candle(1, interval="5m"), 1)

    assert [channel.interval for channel, *_ in outgoing] == ["1m", "5m", "5m"]
    assert [kind for kind, _ in _read(outgoing)] == ["status", "status", "kline"]
    assert _read(outgoing)[0][1]["intervals"] == ["1m", "5m"]


def test_feed_change_is_published_as_status() -> None:
    projection = Projection()
    projection.apply(events.candle(1, interval="5m"), 1)
    projection.apply(events.candle(1), 1)

    (kind, data), _ = _read(projection.apply(events.feed(FeedState.DOWN, "no pong"), 1))

    assert (kind, data["feed"], data["feed_reason"]) == ("status", "down", "no pong")
    assert data["intervals"] == ["1m", "5m"]


def test_decision_is_not_published() -> None:
    decision = DecisionMade(
        venue=SIM,
        symbol=BTC,
        step=1,
        index=0,
        decision=CancelOrder(client_order_id=ClientOrderId("a")),
        time=1,
    )

    assert _messages(decision) == []


def test_snapshot_starts_with_history_orders_and_account_state() -> None:
    projection = Projection()
    for event in EVERYTHING:
        projection.apply(event, 1)

    types = _snapshot(projection).types

    assert types[:6] == ["history", "orders", "position", "account", "grid_state", "risk_status"]
    assert set(types[6:]) == {
        "status",
        "trade_history",
        "risk_alert",
        "quoting",
        "reconciliation",
        "position_corrected",
        "control",
        "ticker",
        "symbols",
    }


def test_minimal_snapshot_has_history_and_orders() -> None:
    projection = Projection()
    projection.apply(events.ticker(), 1)

    assert _snapshot(projection).types[:2] == ["history", "orders"]


def test_traded_markets_are_listed_first() -> None:
    projection = Projection()
    projection.apply(events.ticker("50000"), 1)
    projection.apply(events.grid(symbol=ETH), 1)
    projection.apply(events.ticker("110", symbol=ETH), 1)

    listed = [(data.symbol, data.price, data.total_profit) for data in projection.summary()]

    assert listed == [("ETHUSDT", "110", "11.9"), ("BTCUSDT", "50000", None)]
    assert projection.find("") == Market(SIM, ETH)


def test_unknown_interval_falls_back_to_the_shortest() -> None:
    projection = Projection()
    projection.apply(events.candle(1, interval="1h"), 1)
    projection.apply(events.candle(1, interval="5m"), 1)

    assert projection.interval(MARKET, "1h") == "1h"
    assert projection.interval(MARKET, "3m") == "5m"


EVERYTHING: list[Event] = [
    events.ticker(),
    events.candle(1),
    events.feed(FeedState.UP),
    events.report("a"),
    events.trade("1", second=1),
    events.sweep(events.open_order("a"), includes=1),
    events.position("1"),
    events.balance(),
    events.grid(),
    events.fill("1", second=1),
    events.risk("volume", second=1),
    events.alert("disk", second=2),
    events.quoting(NotQuoting.PAUSED, second=3),
    events.reconciled("a", second=3),
    events.corrected("-0.0016", second=3),
    events.result("c1", second=4),
]
