"""A model of the page's store: the state that a viewer derives from its messages."""

import json
from collections.abc import Iterable
from typing import Any

from liveserver.protocol.server_messages import Message, encode_message

ENDED = {"FILLED", "CANCELED", "EXPIRED", "REJECTED"}
NOTICES = {"risk_alert", "quoting", "reconciliation", "position_corrected", "control"}


class ViewerModel:
    """Folds messages. A `history` resets all state."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.types: list[str] = []

    def take(self, messages: Iterable[Message]) -> "ViewerModel":
        for message in messages:
            self.receive(encode_message(message))
        return self

    def receive(self, text: bytes | str) -> None:
        message = json.loads(text)
        kind, data = message["type"], message["data"]
        self.types.append(kind)
        match kind:
            case "history":
                self.state = {"candles": {row["time"]: row for row in data}, "orders": {}, "trades": {}}
                self.state["notices"] = []
            case "kline":
                self.state["candles"][data["time"]] = data
            case "orders":
                for order in data if isinstance(data, list) else [data]:
                    self._order(order)
            case "trade_history":
                self.state["trades"] = {row["trade_id"]: row for row in data}
            case "trade_event" | "fill":
                self.state["trades"][data["trade_id"]] = data
            case _ if kind in NOTICES:
                self.state["notices"].append((kind, data))
            case "symbols" | "server":
                pass
            case _:
                self.state[kind] = data

    def _order(self, order: dict[str, Any]) -> None:
        if order["status"] in ENDED:
            self.state["orders"].pop(order["id"], None)
        else:
            self.state["orders"][order["id"]] = order
