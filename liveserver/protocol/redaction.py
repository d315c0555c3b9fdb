"""Redaction for public viewers: one table decides for every field whether it is kept, hidden, or made relative.

Prices, sides, times and counts are kept. Amounts are hidden or turned into shares:

* money and position of a grid become shares of its traded volume, to a millionth;
* the profit of a trade becomes a share of the trade's value, the filled quantity a share of the order;
* ids become short pseudonyms, the same on every replica of one configuration;
* free text of operators and venues is removed, as it may contain amounts.

A struct or field that is not in the table is not sent. Price and time of a fill may still be matched with the venue's
public trades, which reveals its size.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from liveserver.protocol import server_messages as market
from liveserver.protocol import session_messages as session
from liveserver.protocol.pseudonyms import PseudonymFunction
from liveserver.protocol.redaction_rules import (
    Rule,
    explain_blocked,
    filled_share,
    hide,
    hide_amounts,
    hide_figures,
    hide_none,
    keep,
    pseudonymize,
    pseudonymize_each,
    turnover_share,
    worth_share,
)


def redact_each(value: Any, of: Any, pseudonym: PseudonymFunction) -> Any:
    return tuple(redacted(item, pseudonym) for item in value)


_MARKET: dict[str, Rule] = {"symbol": keep, "venue": keep, "market": keep}

TABLE: dict[type[msgspec.Struct], dict[str, Rule]] = {
    market.CandleData: dict.fromkeys(("time", "open", "high", "low", "close", "volume", "forming"), keep),
    market.TickerData: _MARKET | dict.fromkeys(("bid", "ask", "last", "time", "time_ms", "age_ms"), keep),
    market.StatusData: {
        **_MARKET,
        "feed": keep,
        "feed_reason": hide,
        "interval": keep,
        "intervals": keep,
        "problem": keep,
        "blocked": keep,
        "blocked_text": explain_blocked,
        "blocked_remedy": hide,
        "recording": keep,
        "recording_speed": keep,
    },
    market.AccountData: {
        **_MARKET,
        "asset": keep,
        **dict.fromkeys(("free", "balance", "margin_balance", "equity", "unrealized_pnl"), hide),
        "time": keep,
        "total_equity": hide_none,
        "equity_asset": keep,
        "unpriced": lambda value, of, pseudonym: (),
    },
    market.OrderData: {
        **_MARKET,
        "id": pseudonymize,
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
    market.ReportData: {
        **_MARKET,
        "id": pseudonymize,
        "price": keep,
        "side": keep,
        "status": keep,
        "type": keep,
        "quantity": hide,
        "filled": filled_share,
        "time": keep,
        "detail": hide,
    },
    market.TradeData: {
        **_MARKET,
        "side": keep,
        "price": keep,
        "amount": hide,
        "time": keep,
        "time_ms": keep,
        "trade_id": pseudonymize,
        "order_id": pseudonymize,
        "fee": hide,
        "fee_asset": keep,
        "is_maker": keep,
        "opens": keep,
        "level": keep,
        "grid_profit": worth_share,
        "fee_value": hide,
        "is_fee_estimated": keep,
    },
    market.PositionData: {
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
    market.SlotData: {
        "slot_id": keep,
        "price": keep,
        "side": keep,
        "status": keep,
        "held": hide,
        "order_id": pseudonymize,
        "order_price": keep,
    },
    market.ShownProfit: dict.fromkeys(market.ShownProfit.__struct_fields__, hide),
    market.GridData: {
        **_MARKET,
        "anchor_price": keep,
        "price_interval": keep,
        "slots": redact_each,
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
        "fees_other": hide_amounts,
        "venue_position": hide_none,
        "foreign_position": hide,
        "not_quoting_text": hide,
        "not_quoting_remedy": hide,
        "halted_by": hide,
        "entry_price": keep,
        "closed_pairs": keep,
        "dust": hide,
        "ledger_from": keep,
        "shown": hide_none,
    },
    market.RiskAlertData: {
        **_MARKET,
        "severity": keep,
        "reason": keep,
        "message": hide,
        "details": hide_figures,
        "active": keep,
        "time": keep,
        "step": keep,
        "incident": pseudonymize,
        "text": keep,
        "remedy": hide,
    },
    market.ActiveRisk: {
        "severity": keep,
        "reason": keep,
        "message": hide,
        "details": hide_figures,
        "time": keep,
        "text": keep,
        "remedy": hide,
    },
    market.RiskStatusData: {**_MARKET, "status": keep, "active": redact_each},
    market.QuotingData: {
        **_MARKET,
        "previous": keep,
        "reason": keep,
        "text": keep,
        "detail": hide,
        "time": keep,
        "step": keep,
    },
    market.ReconciliationData: {
        **_MARKET,
        "finding": keep,
        "order_id": pseudonymize,
        "action": hide,
        "time": keep,
        "step": keep,
        "text": keep,
        "remedy": hide,
    },
    market.CorrectionData: {
        **_MARKET,
        "amount": hide,
        "price": keep,
        "fee": hide,
        "grid_profit": hide,
        "position": hide,
        "reason": hide,
        "operator": hide,
        "trade_ids": pseudonymize_each,
        "time": keep,
        "time_ms": keep,
        "step": keep,
    },
    market.ControlData: {
        **_MARKET,
        "command": keep,
        "command_id": pseudonymize,
        "outcome": keep,
        "detail": hide,
        "operator": hide,
        "reason": hide,
        "time": keep,
        "step": keep,
    },
    market.SymbolData: {
        **_MARKET,
        "price": keep,
        "is_traded": keep,
        "total_profit": hide_none,
        "not_quoting": keep,
        "feed": keep,
        "fees_other": hide_amounts,
        "quote": keep,
        "last_trade_ms": keep,
        "last_trade_side": keep,
        "price_time_ms": keep,
    },
    session.PartData: {
        "kind": keep,
        "name": hide,
        "state": keep,
        "age_ms": keep,
        "venues": keep,
        "detail": hide,
        "remedy": hide,
        "is_replaced": keep,
    },
    session.ServerData: {
        "replica": keep,
        "status": keep,
        "time_ms": keep,
        "uptime": keep,
        "clients": keep,
        "bus": hide,
        "parts": redact_each,
        "redacted": lambda value, of, pseudonym: True,
    },
    market.ProfitData: {
        **_MARKET,
        "price": keep,
        **dict.fromkeys(
            ("grid_profit", "unpaired_profit", "open_fees", "funding", "total_profit", "fees"), turnover_share
        ),
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
        "fees_other": hide_amounts,
        "shown": hide_none,
    },
    session.StatusReport: {
        "replica": keep,
        "status": keep,
        "uptime": keep,
        "clients": keep,
        "symbols": keep,
        "bus_reconnects": keep,
        "problems": lambda value, of, pseudonym: (),
        "parts": redact_each,
    },
    session.ErrorData: {"error": keep, "known": keep},
    session.SnapshotMarket: {"venue": keep, "symbol": keep, "interval": keep},
    session.SnapshotData: {"reason": keep, "streams": keep, "markets": redact_each},
    session.ResumedData: {"streams": keep},
    session.StreamsData: {"streams": keep},
    session.ReplayData: dict.fromkeys(
        ("state", "detail", "start", "end", "at", "speed", "kept_from", "grids_from"), keep
    ),
    session.CommandAnswer: {
        "command_id": pseudonymize,
        "state": keep,
        "command": keep,
        "key": keep,
        "venue": keep,
        "market": keep,
        "final": keep,
        "outcome": keep,
        "detail": hide,
        "step": keep,
        "time": keep,
        "orders_canceled": keep,
        "orders_out": keep,
        "position": hide,
        "answers": redact_each,
    },
    session.SymbolAnswer: {
        "venue": keep,
        "market": keep,
        "outcome": keep,
        "final": keep,
        "detail": hide,
        "orders_canceled": keep,
        "orders_out": keep,
        "position": hide,
    },
}
"""Rules by field, for every struct that is sent or part of one."""

UNCHANGED = frozenset(
    kind
    for kind, rules in TABLE.items()
    if set(rules) == set(kind.__struct_fields__) and all(rule is keep for rule in rules.values())
)
"""Structs whose public form is the same, such as candles: most of what a snapshot has."""


def redacted(data: Any, pseudonym: PseudonymFunction) -> Any:
    """Return the public form of a message's `data`: a struct, or a sequence of structs.

    Raises: KeyError for a struct that is not in the table.
    """
    if isinstance(data, msgspec.Struct):
        if type(data) in UNCHANGED:
            return data
        rules = TABLE[type(data)]
        return type(data)(
            **{field: rule(getattr(data, field), data, pseudonym) for field, rule in rules.items()}
        )
    assert isinstance(data, Sequence), "data is a struct or a sequence of structs"
    return tuple(redacted(item, pseudonym) for item in data)
