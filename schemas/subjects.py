"""Build and parse the NATS subjects of events. The wildcards of whole streams are in `bus.streams.topology`.

    market.sim.BTC-USDT_USDT.ticker     kind.venue.symbol.detail
    market.sim.BTC-USDT_USDT.candle.1m  the detail may have several tokens
    market.sim.clock                    kind.venue.detail, for a whole venue
    control.sim._all.pause              addressed to all symbols of a venue
    control._all._all.pause             addressed to all symbols of all venues
    alert.sim.BTC-USDT_USDT             kind.venue.symbol

A symbol is one token. `/` is escaped as `-`, `:` as `_`, and every other byte outside `[A-Za-z0-9]` as `=` and two hex
digits, so the escaping is reversible: `BTC/USDT:USDT` is `BTC-USDT_USDT`, `A-B/C` is `A=2DB-C`.
"""

from enum import StrEnum
from typing import NamedTuple

from schemas.engine.control import CommandName
from schemas.units import Symbol, VenueId

ALL = "_all"
"""The symbol token that means all symbols of a venue; as the venue token too, all symbols of all venues."""
ALL_VENUES = VenueId(ALL)


class Stream(StrEnum):
    """The JetStream streams. Their subjects and limits are in `bus.streams.topology`."""

    MARKET = "MARKET"
    CANDLES = "CANDLES"
    ORDERS = "ORDERS"
    ACCOUNT = "ACCOUNT"
    JOURNAL = "JOURNAL"
    ENGINE = "ENGINE"
    ALERTS = "ALERTS"
    CONTROL = "CONTROL"
    PARTS = "PARTS"


class Subject(NamedTuple):
    """The parts of a subject. `symbol` is None for a subject of a whole venue."""

    kind: str
    venue: VenueId
    symbol: Symbol | None
    detail: str
    """The remaining tokens: `ticker`, `candle.1m`, `report`, `balance.USDT`; empty for an alert."""


_UNESCAPED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_TO_TOKEN = {ord("/"): "-", ord(":"): "_"}
_FROM_TOKEN = {"-": "/", "_": ":"}
_ALERT = "alert"
_VENUE_WIDE = frozenset({("market", "clock"), ("account", "balance")})


def escape(text: str) -> str:
    """Return a symbol or asset as one NATS token: `BTC/USDT:USDT` as `BTC-USDT_USDT`.

    Raises: ValueError when it is empty.
    """
    if not text:
        raise ValueError("a subject token must not be empty")
    return "".join(
        chr(byte) if byte in _UNESCAPED else _TO_TOKEN.get(byte, f"={byte:02X}")
        for byte in text.encode("utf-8")
    )


def unescape(token: str) -> str:
    """Return the symbol or asset of a token, the inverse of `escape`.

    Raises: ValueError when `escape` cannot have produced the token.
    """
    decoded = bytearray()
    i = 0
    while i < len(token):
        char = token[i]
        if char == "=":
            decoded.append(int(token[i + 1 : i + 3], 16))
            i += 3
        else:
            decoded += _FROM_TOKEN.get(char, char).encode("utf-8")
            i += 1
    text = decoded.decode("utf-8")
    if escape(text) != token:
        raise ValueError(f"not an escaped symbol: {token!r}")
    return text


def subject(kind: str, venue: VenueId, symbol: Symbol, detail: str) -> str:
    """Return `kind.venue.symbol.detail`."""
    token = ALL if symbol == ALL else escape(symbol)
    return f"{kind}.{_venue_token(venue)}.{token}.{detail}"


def parse(text: str) -> Subject:
    """Split a subject into its parts: `order.sim.BTC-USDT.report` into `order`, `sim`, `BTC/USDT`, `report`.

    Raises: ValueError when the subject does not follow the grammar.
    """
    tokens = text.split(".")
    if len(tokens) < 3 or not all(tokens):
        raise ValueError(f"not a subject of this system (kind.venue.symbol.detail): {text!r}")
    kind, venue, *rest = tokens
    if (kind, rest[0]) in _VENUE_WIDE:
        return Subject(kind, VenueId(venue), None, ".".join(rest))
    if len(rest) < 2 and kind != _ALERT:
        raise ValueError(f"not a subject of this system (kind.venue.symbol.detail): {text!r}")
    symbol = rest[0] if rest[0] == ALL else unescape(rest[0])
    return Subject(kind, VenueId(venue), Symbol(symbol), ".".join(rest[1:]))


# MARKET: `market.V.S.*`


def ticker(venue: VenueId, symbol: Symbol) -> str:
    return subject("market", venue, symbol, "ticker")


def public_trade(venue: VenueId, symbol: Symbol) -> str:
    return subject("market", venue, symbol, "trade")


def live_candle(venue: VenueId, symbol: Symbol, interval: str) -> str:
    return subject("market", venue, symbol, f"candle.{interval}")


def feed(venue: VenueId, symbol: Symbol) -> str:
    return subject("market", venue, symbol, "feed")


def clock(venue: VenueId) -> str:
    return f"market.{_venue_token(venue)}.clock"


def all_clocks() -> str:
    """Return the wildcard for the clocks of all venues."""
    return "market.*.clock"


# CANDLES: `candle.V.S.INTERVAL`


def closed_candle(venue: VenueId, symbol: Symbol, interval: str) -> str:
    return f"candle.{_venue_token(venue)}.{escape(symbol)}.{interval}"


# ORDERS: `order.V.S.*`


def order_intent(venue: VenueId, symbol: Symbol) -> str:
    return subject("order", venue, symbol, "intent")


def order_intents(venue: VenueId) -> str:
    """Return the wildcard for the intents of all symbols of a venue."""
    return f"order.{_venue_token(venue)}.*.intent"


def order_report(venue: VenueId, symbol: Symbol) -> str:
    return subject("order", venue, symbol, "report")


def order_request(venue: VenueId, symbol: Symbol) -> str:
    return subject("order", venue, symbol, "request")


def order_reports(venue: VenueId) -> str:
    """Return the wildcard for the order reports of all symbols of a venue."""
    return f"order.{_venue_token(venue)}.*.report"


def own_trade(venue: VenueId, symbol: Symbol) -> str:
    return subject("order", venue, symbol, "trade")


def funding(venue: VenueId, symbol: Symbol) -> str:
    return subject("order", venue, symbol, "funding")


def own_order_events(venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
    """Return the subjects that the engine books from: order reports, own trades and funding."""
    return order_report(venue, symbol), own_trade(venue, symbol), funding(venue, symbol)


# ACCOUNT: `account.V.*`


def balance(venue: VenueId, asset: str) -> str:
    return f"account.{_venue_token(venue)}.balance.{escape(asset)}"


def position(venue: VenueId, symbol: Symbol) -> str:
    return subject("account", venue, symbol, "position")


def all_positions() -> str:
    """Return the wildcard for the positions in all symbols of all venues."""
    return "account.*.*.position"


def open_orders(venue: VenueId, symbol: Symbol) -> str:
    return subject("account", venue, symbol, "orders")


def account_feed(venue: VenueId) -> str:
    """Return the subject of the state (`FeedChanged`) of the venue's private account stream."""
    return f"account.{_venue_token(venue)}.{ALL}.feed"


def order_latency(venue: VenueId) -> str:
    return subject("account", venue, Symbol(ALL), "latency")


def all_order_latencies() -> str:
    """Return the wildcard for the order latencies of all venues."""
    return f"account.*.{ALL}.latency"


# JOURNAL: `journal.V.S.*`


def step(venue: VenueId, symbol: Symbol) -> str:
    return subject("journal", venue, symbol, "step")


def all_steps() -> str:
    """Return the wildcard for the steps of all symbols of all venues, and of the portfolio."""
    return "journal.*.*.step"


def portfolio_step() -> str:
    return f"journal.{ALL}.{ALL}.step"


def grid(venue: VenueId, symbol: Symbol) -> str:
    return subject("journal", venue, symbol, "grid")


def all_grids() -> str:
    """Return the wildcard for the grids (`GridView`) of all symbols of all venues."""
    return "journal.*.*.grid"


def limits() -> str:
    return f"journal.{ALL}.{ALL}.limits"


# ENGINE: `engine.V.S.*`


def decision(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "decision")


def fill(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "fill")


def all_fills() -> str:
    """Return the wildcard for the fills of all symbols of all venues."""
    return "engine.*.*.fill"


def risk(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "risk")


def reconciliation(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "reconciliation")


def correction(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "correction")


def quoting(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "quoting")


# ALERTS: `alert.V.S`


def alert(venue: VenueId, symbol: Symbol) -> str:
    """Return the subject of the alerts of all parts about a symbol, or about a whole venue (`_all`)."""
    return f"{_ALERT}.{_venue_token(venue)}.{symbol if symbol == ALL else escape(symbol)}"


# CONTROL: `control.V.S.COMMAND`


def command(venue: VenueId, symbol: Symbol, name: str) -> str:
    return subject("control", venue, symbol, name)


def commands(venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
    """Return the subjects of the commands to one symbol: all of `control.V.S.*` except `add` and `result`."""
    return tuple(command(venue, symbol, name) for name in CommandName if name is not CommandName.ADD)


def commands_to_portfolio() -> tuple[str, ...]:
    """Return the subjects of the commands for the portfolio: those to all symbols, and `add` to any symbol.

    `control.*._all.pause` is addressed to one venue or, as `control._all._all.pause`, to all of them.
    """
    to_all = (name for name in CommandName if name is not CommandName.ADD)
    return (*(f"control.*.{ALL}.{name}" for name in to_all), f"control.*.*.{CommandName.ADD}")


def command_result(venue: VenueId, symbol: Symbol) -> str:
    return subject("control", venue, symbol, "result")


# PARTS: `part.KIND.NAME`


def part(kind: str, process: str) -> str:
    """Return the subject of the heartbeats of a part, whose name is one token: `part.gateway.gateway-sim2`."""
    return f"part.{kind}.{process}"


def all_parts() -> str:
    return "part.*.*"


# Core subjects, stored in no stream


def sweep(venue: VenueId) -> str:
    """Return the core subject (not stored) that requests a sweep: a query of open orders, trades and positions.

    Its messages are empty, for all symbols, or a SweepRequest.
    """
    return f"sweep.{_venue_token(venue)}"


def heartbeat(venue: VenueId, symbol: Symbol) -> str:
    """Return the core subject (not stored) of the engine's heartbeat for a symbol."""
    return f"heartbeat.{registry_key(venue, symbol)}"


# Keys of the key-value buckets


def registry_key(venue: VenueId, symbol: Symbol) -> str:
    """Return the key of a symbol in the buckets `instruments` and `symbols`: `sim.BTC-USDT_USDT`."""
    return f"{_venue_token(venue)}.{escape(symbol)}"


def is_venue_id(text: str) -> bool:
    """Return whether a text can be the name of a venue: one or more of `[A-Za-z0-9-]`."""
    return bool(text) and all(byte in _UNESCAPED or byte == ord("-") for byte in text.encode("utf-8"))


def _venue_token(venue: VenueId) -> str:
    if venue == ALL:
        return ALL
    if not is_venue_id(venue):
        raise ValueError(f"not a venue id ([A-Za-z0-9-]): {venue!r}")
    return venue
