"""What the public sees instead: one table says of every field of every message whether it is kept, hidden, or relative.

Prices, sides, times and counts are kept; amounts of ours are hidden or become shares:

* a grid's money and its position are shares of what it has traded to a millionth;
* the profit of a trade is a share of the trade's worth; how much of an order has filled, a share of the order;
* ids are told apart by a short pseudonym that every replica of one configuration gives alike;
* words that people or venues write are gone: an amount may be in them.

What is not in the table is left out, so that a new field shows nothing until it is listed here. Whoever sees price and
time of a fill may find its size in the venue's public trades: that is the venue's to show.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

import msgspec

from liveserver.auth.settings import Access
from liveserver.protocol import answers, reports
from liveserver.protocol import server_messages as told

MILLIONTH = Decimal("0.000001")
HUNDREDTH = Decimal("0.01")

Pseudonym = Callable[[str], str]
Rule = Callable[[Any, Any, Pseudonym], Any]
"""What becomes of a value, given the struct it is a field of."""


def keep(value: Any, of: Any, alias: Pseudonym) -> Any:
    return value


def hide(value: Any, of: Any, alias: Pseudonym) -> Any:
    return None if value is None else ""


def hide_none(value: Any, of: Any, alias: Pseudonym) -> None:
    return None


def name(value: Any, of: Any, alias: Pseudonym) -> Any:
    return alias(value) if value else value


def each(value: Any, of: Any, alias: Pseudonym) -> Any:
    return tuple(redacted(one, alias) for one in value)


def turnover_share(value: Any, of: Any, alias: Pseudonym) -> Any:
    return None if value is None else _share(value, of.volume, MILLIONTH)


def worth_share(value: Any, of: Any, alias: Pseudonym) -> Any:
    if value is None:
        return None
    price, amount = _decimal(of.price), _decimal(of.amount)
    return "" if price is None or amount is None else _share(value, str(price * amount), MILLIONTH)


def filled_share(value: Any, of: Any, alias: Pseudonym) -> Any:
    return _share(value, of.quantity, HUNDREDTH)


_MARKET: dict[str, Rule] = {"symbol": keep, "venue": keep, "market": keep}

TABLE: dict[type[msgspec.Struct], dict[str, Rule]] = {
    told.CandleData: dict.fromkeys(("time", "open", "high", "low", "close", "volume", "forming"), keep),
    told.TickerData: {**_MARKET, "bid": keep, "ask": keep, "last": keep, "time": keep, "time_ms": keep},
    told.StatusData: {**_MARKET, "feed": keep, "feed_reason": hide, "interval": keep, "intervals": keep},
    told.AccountData: {
        **_MARKET,
        "asset": keep,
        "free": hide,
        "balance": hide,
        "margin_balance": hide,
        "equity": hide,
        "unrealized_pnl": hide,
        "time": keep,
    },
    told.OrderData: {
        **_MARKET,
        "id": name,
        "price": keep,
        "side": keep,
        "status": keep,
        "type": keep,
        "quantity": hide,
        "filled": filled_share,
        "reduce_only": keep,
        "time": keep,
        "detail": hide,
    },
    told.ReportData: {
        **_MARKET,
        "id": name,
        "price": keep,
        "side": keep,
        "status": keep,
        "type": keep,
        "quantity": hide,
        "filled": filled_share,
        "time": keep,
        "detail": hide,
    },
    told.TradeData: {
        **_MARKET,
        "side": keep,
        "price": keep,
        "amount": hide,
        "time": keep,
        "time_ms": keep,
        "trade_id": name,
        "order_id": name,
        "fee": hide,
        "fee_asset": keep,
        "is_maker": keep,
        "opens": keep,
        "level": keep,
        "grid_profit": worth_share,
    },
    told.PositionData: {
        **_MARKET,
        "amount": hide,
        "entry_price": keep,
        "unrealized_pnl": hide,
        "leverage": hide,
        "side": keep,
        "mark_price": keep,
        "liquidation_price": hide_none,
        "time": keep,
    },
    told.SlotData: {
        "slot_id": keep,
        "price": keep,
        "side": keep,
        "status": keep,
        "held": hide,
        "order_id": name,
        "order_price": keep,
    },
    told.GridData: {
        **_MARKET,
        "anchor_price": keep,
        "price_interval": keep,
        "slots": each,
        "step": keep,
        "mode": keep,
        "center": keep,
        "price": keep,
        "paused": keep,
        "not_quoting": keep,
        "position": turnover_share,
        "cash": turnover_share,
        "fees": turnover_share,
        "funding": turnover_share,
        "grid_profit": turnover_share,
        "unpaired_profit": turnover_share,
        "total_profit": turnover_share,
        "buy_and_hold": turnover_share,
        "closed_trades": keep,
        "opened_trades": keep,
        "volume": hide,
        "first_time": keep,
        "time": keep,
    },
    told.RiskAlertData: {
        **_MARKET,
        "severity": keep,
        "reason": keep,
        "details": hide,
        "active": keep,
        "time": keep,
        "step": keep,
    },
    told.ActiveRisk: {"severity": keep, "reason": keep, "details": hide, "time": keep},
    told.RiskStatusData: {**_MARKET, "status": keep, "active": each},
    told.ReconciliationData: {
        **_MARKET,
        "finding": keep,
        "order_id": name,
        "action": hide,
        "time": keep,
        "step": keep,
    },
    told.ControlData: {
        **_MARKET,
        "command": keep,
        "command_id": name,
        "outcome": keep,
        "detail": hide,
        "operator": hide,
        "reason": hide,
        "time": keep,
        "step": keep,
    },
    told.SymbolData: {
        **_MARKET,
        "price": keep,
        "is_traded": keep,
        "total_profit": hide_none,
        "not_quoting": keep,
        "feed": keep,
    },
    told.ServerData: {
        "replica": keep,
        "status": keep,
        "time_ms": keep,
        "uptime": keep,
        "clients": keep,
        "redacted": lambda value, of, alias: True,
    },
    reports.ProfitData: {
        **_MARKET,
        "price": keep,
        "grid_profit": turnover_share,
        "unpaired_profit": turnover_share,
        "open_fees": turnover_share,
        "funding": turnover_share,
        "total_profit": turnover_share,
        "fees": turnover_share,
        "volume": hide,
        "buy_and_hold": turnover_share,
        "closed_pairs": keep,
        "opened_trades": keep,
        "days": keep,
        "pairs_per_day": keep,
        "per_year": hide_none,
        "per_year_of_equity": keep,
        "first_time": keep,
        "time": keep,
    },
    reports.StatusReport: {
        "replica": keep,
        "status": keep,
        "uptime": keep,
        "clients": keep,
        "symbols": keep,
        "bus_reconnects": keep,
        "problems": lambda value, of, alias: (),
    },
    told.ErrorData: {"error": keep, "known": keep},
    answers.Shown: {"venue": keep, "symbol": keep, "interval": keep},
    answers.SnapshotData: {"reason": keep, "streams": keep, "markets": each},
    answers.ResumedData: {"streams": keep},
    answers.StreamsData: {"streams": keep},
    answers.ReplayData: dict.fromkeys(("state", "detail", "start", "end", "at", "speed", "kept_from"), keep),
    answers.CommandAnswer: {
        "command_id": name,
        "state": keep,
        "command": keep,
        "key": keep,
        "venue": keep,
        "market": keep,
        "outcome": keep,
        "detail": hide,
        "step": keep,
        "time": keep,
    },
}
"""Every struct that is sent, or part of one that is."""


def redacted(data: Any, alias: Pseudonym) -> Any:
    """Return what the public sees of a message's `data`.

    Raises: KeyError for what the table does not have: nothing of it is shown.
    """
    if isinstance(data, msgspec.Struct):
        rules = TABLE[type(data)]
        return type(data)(**{field: rule(getattr(data, field), data, alias) for field, rule in rules.items()})
    assert isinstance(data, Sequence), "data are a struct or several"
    return tuple(redacted(one, alias) for one in data)


def pseudonyms(access: Access) -> Pseudonym:
    """Return what gives ids other names: the same on every replica, and not to be undone without the configuration."""
    return keyed(msgspec.json.encode((access.keys, access.tokens)))


def keyed(secret: bytes) -> Pseudonym:
    """Return the pseudonyms that go with a secret."""

    def alias(text: str) -> str:
        return hmac.digest(secret, text.encode(), hashlib.sha256).hex()[:12]

    return alias


UNKEYED = keyed(b"")


def _share(value: str, of: str | None, step: Decimal) -> str:
    part, whole = _decimal(value), None if of is None else _decimal(of)
    if part is None or whole is None:
        return ""
    if not whole:
        return "0"
    try:
        share = (part / whole).quantize(step, ROUND_HALF_EVEN)
    except InvalidOperation:
        return ""  # too large to be a share of anything
    return format(share.normalize() + 0, "f")


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
