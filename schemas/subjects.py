"""The subject grammar: built, parsed and escaped here and nowhere else.

`kind.venue.symbol.detail`, and for what concerns a venue as a whole `kind.venue.detail`. A symbol is one token: `/` is
written `-` and `:` is written `_`; whatever else NATS would not take as part of a token is written `=` and two hex digits
for each byte, so that every symbol comes back as it was.
"""

from enum import StrEnum
from typing import NamedTuple

from schemas.engine.control import CommandName
from schemas.units import Symbol, VenueId

ALL = "_all"
"""The symbol token of what concerns all symbols of a venue."""


class Stream(StrEnum):
    """The streams, named like the root token they hold."""

    MARKET = "MARKET"
    CANDLES = "CANDLES"
    ORDERS = "ORDERS"
    ACCOUNT = "ACCOUNT"
    JOURNAL = "JOURNAL"
    ENGINE = "ENGINE"
    CONTROL = "CONTROL"


class Subject(NamedTuple):
    """A subject's parts. `symbol` is None for what concerns a venue as a whole."""

    kind: str
    venue: VenueId
    symbol: Symbol | None
    detail: str
    """The rest: `ticker`, `candle.1m`, `report`; for a balance `balance.USDT`."""


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_TO_TOKEN = {ord("/"): "-", ord(":"): "_"}
_FROM_TOKEN = {"-": "/", "_": ":"}
_OF_A_VENUE = frozenset({("market", "clock"), ("account", "balance")})


def escape(text: str) -> str:
    """Return one NATS token for a symbol or an asset.

    Raises: ValueError when it is empty.
    """
    if not text:
        raise ValueError("a subject token must not be empty")
    return "".join(
        chr(byte) if byte in _PLAIN else _TO_TOKEN.get(byte, f"={byte:02X}") for byte in text.encode("utf-8")
    )


def unescape(token: str) -> str:
    """Return the symbol or asset that `escape` made the token of.

    Raises: ValueError when no symbol gives this token.
    """
    out = bytearray()
    i = 0
    while i < len(token):
        char = token[i]
        if char == "=":
            out.append(int(token[i + 1 : i + 3], 16))
            i += 3
        else:
            out += _FROM_TOKEN.get(char, char).encode("utf-8")
            i += 1
    text = out.decode("utf-8")
    if escape(text) != token:
        raise ValueError(f"not an escaped symbol: {token!r}")
    return text


def subject(kind: str, venue: VenueId, symbol: Symbol, detail: str) -> str:
    """Return `kind.venue.symbol.detail`."""
    token = ALL if symbol == ALL else escape(symbol)
    return f"{kind}.{_venue_token(venue)}.{token}.{detail}"


def parse(text: str) -> Subject:
    """Return the parts of a subject of ours.

    Raises: ValueError when it is none.
    """
    tokens = text.split(".")
    if len(tokens) < 3 or not all(tokens):
        raise ValueError(f"not a subject of ours: {text!r}")
    kind, venue, *rest = tokens
    if (kind, rest[0]) in _OF_A_VENUE:
        return Subject(kind, VenueId(venue), None, ".".join(rest))
    if len(rest) < 2:
        raise ValueError(f"not a subject of ours: {text!r}")
    symbol = rest[0] if rest[0] == ALL else unescape(rest[0])
    return Subject(kind, VenueId(venue), Symbol(symbol), ".".join(rest[1:]))


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


def closed_candle(venue: VenueId, symbol: Symbol, interval: str) -> str:
    return f"candle.{_venue_token(venue)}.{escape(symbol)}.{interval}"


def order_intent(venue: VenueId, symbol: Symbol) -> str:
    return subject("order", venue, symbol, "intent")


def order_report(venue: VenueId, symbol: Symbol) -> str:
    return subject("order", venue, symbol, "report")


def own_trade(venue: VenueId, symbol: Symbol) -> str:
    return subject("order", venue, symbol, "trade")


def funding(venue: VenueId, symbol: Symbol) -> str:
    return subject("order", venue, symbol, "funding")


def own_order_events(venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
    """Return the subjects of all that the engine books from."""
    return order_report(venue, symbol), own_trade(venue, symbol), funding(venue, symbol)


def balance(venue: VenueId, asset: str) -> str:
    return f"account.{_venue_token(venue)}.balance.{escape(asset)}"


def position(venue: VenueId, symbol: Symbol) -> str:
    return subject("account", venue, symbol, "position")


def positions(venue: VenueId) -> str:
    """Return the subjects of the positions in all symbols of a venue."""
    return f"account.{_venue_token(venue)}.*.position"


def open_orders(venue: VenueId, symbol: Symbol) -> str:
    return subject("account", venue, symbol, "orders")


def account_feed(venue: VenueId) -> str:
    """Return where it is told whether the account's private stream can be relied on."""
    return f"account.{_venue_token(venue)}.{ALL}.feed"


def step(venue: VenueId, symbol: Symbol) -> str:
    return subject("journal", venue, symbol, "step")


def grid(venue: VenueId, symbol: Symbol) -> str:
    return subject("journal", venue, symbol, "grid")


def grids(venue: VenueId) -> str:
    """Return the subjects of the grids of all symbols of a venue."""
    return f"journal.{_venue_token(venue)}.*.grid"


def steps(venue: VenueId) -> str:
    """Return the subjects of the steps of all symbols of a venue, and of its portfolio."""
    return f"journal.{_venue_token(venue)}.*.step"


def portfolio_step(venue: VenueId) -> str:
    return subject("journal", venue, Symbol(ALL), "step")


def fills(venue: VenueId) -> str:
    """Return the subjects of the fills of all symbols of a venue."""
    return f"engine.{_venue_token(venue)}.*.fill"


def commands_to_all(venue: VenueId) -> tuple[str, ...]:
    """Return the subjects of what the portfolio hears: commands to all symbols, and those that add one."""
    to_all = (name for name in CommandName if name is not CommandName.ADD)
    return (
        *(command(venue, Symbol(ALL), name) for name in to_all),
        f"control.{_venue_token(venue)}.*.{CommandName.ADD}",
    )


def decision(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "decision")


def fill(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "fill")


def risk(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "risk")


def reconciliation(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "reconciliation")


def alert(venue: VenueId, symbol: Symbol) -> str:
    return subject("engine", venue, symbol, "alert")


def command(venue: VenueId, symbol: Symbol, name: str) -> str:
    return subject("control", venue, symbol, name)


def commands(venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
    """Return the subjects of every command that a symbol's core hears: `control.V.S.*` without `add` and results."""
    return tuple(command(venue, symbol, name) for name in CommandName if name is not CommandName.ADD)


def command_result(venue: VenueId, symbol: Symbol) -> str:
    return subject("control", venue, symbol, "result")


def sweep(venue: VenueId) -> str:
    """Return the subject that asks the account publisher for a sweep. It is no stream's: nobody keeps it."""
    return f"sweep.{_venue_token(venue)}"


def limits(venue: VenueId) -> str:
    return subject("journal", venue, Symbol(ALL), "limits")


def order_latency(venue: VenueId) -> str:
    return subject("account", venue, Symbol(ALL), "latency")


def heartbeat(venue: VenueId, symbol: Symbol) -> str:
    """Return where the engine says that it lives; it is no stream's: nobody keeps it."""
    return f"heartbeat.{registry_key(venue, symbol)}"


def registry_key(venue: VenueId, symbol: Symbol) -> str:
    """Return the key of a symbol in the `instruments` and `symbols` registries."""
    return f"{_venue_token(venue)}.{escape(symbol)}"


def _venue_token(venue: VenueId) -> str:
    if not venue or not all(byte in _PLAIN or byte == ord("-") for byte in venue.encode("utf-8")):
        raise ValueError(f"not a venue id ([A-Za-z0-9-]): {venue!r}")
    return venue
