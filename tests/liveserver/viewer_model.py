"""A viewer reduced to what it knows: what a page's store does with messages, in Python."""

import json
from collections.abc import Iterable
from typing import Any

from liveserver.protocol.server_messages import Message, text

ENDED = {"FILLED", "CANCELED", "EXPIRED", "REJECTED"}
NOTICES = {"risk_alert", "reconciliation", "control"}


class ViewerModel:
    """Folds frames. A history starts everything anew."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.told: list[str] = []

    def take(self, messages: Iterable[Message]) -> "ViewerModel":
        for message in messages:
            self.receive(text(message))
        return self

    def receive(self, text: bytes | str) -> None:
        message = json.loads(text)
        kind, data = message["type"], message["data"]
        self.told.append(kind)
        match kind:
            case "history":
                self.known = {"candles": {row["time"]: row for row in data}, "orders": {}, "trades": {}}
                self.known["notices"] = []
            case "kline":
                self.known["candles"][data["time"]] = data
            case "orders":
                for order in data if isinstance(data, list) else [data]:
                    self._order(order)
            case "trade_history":
                self.known["trades"] = {row["trade_id"]: row for row in data}
            case "trade_event" | "fill":
                self.known["trades"][data["trade_id"]] = data
            case _ if kind in NOTICES:
                self.known["notices"].append((kind, data))
            case "symbols" | "server":
                pass
            case _:
                self.known[kind] = data

    def _order(self, order: dict[str, Any]) -> None:
        if order["status"] in ENDED:
            self.known["orders"].pop(order["id"], None)
        else:
            self.known["orders"][order["id"]] = order
