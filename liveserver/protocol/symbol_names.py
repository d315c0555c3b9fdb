"""Markets, their channels, and the names browsers use for them, such as `BTCUSDT`."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.units import Symbol, VenueId


class Market(NamedTuple):
    """One symbol of one venue."""

    venue: VenueId
    symbol: Symbol


class Channel(NamedTuple):
    """The messages of a market, or of one candle interval of it; the unit of subscription."""

    market: Market
    interval: str = ""


def base_and_quote(symbol: Symbol) -> tuple[str, str]:
    """Return base and quote currency: `("BTC", "USDT")` of `BTC/USDT:USDT`."""
    base, _, quote = symbol.partition(":")[0].partition("/")
    return base, quote


def balance_assets(symbol: Symbol) -> tuple[str, ...]:
    """Return the assets whose balances concern a market: the settlement asset, or both of a spot pair."""
    base, quote = base_and_quote(symbol)
    settle = symbol.partition(":")[2].split("-")[0]
    return (settle,) if settle else (quote, base)


def assign_names(markets: Iterable[Market]) -> dict[Market, str]:
    """Return a unique name for every market: base and quote joined, with a suffix on a collision.

    A perpetual takes the plain name before a spot market, then the first venue in alphabetical order. The others are
    called `BTCUSDT.SPOT`, `BTCUSDT.bybit` or `BTCUSDT.SPOT.bybit`.
    """
    assigned: dict[Market, str] = {}
    taken: set[str] = set()
    for market in sorted(markets, key=_precedence):
        base, quote = base_and_quote(market.symbol)
        plain = f"{base}{quote}".upper()
        spot = "" if ":" in market.symbol else ".SPOT"
        choices = (plain, f"{plain}{spot}", f"{plain}.{market.venue}", f"{plain}{spot}.{market.venue}")
        name = next((c for c in choices if c not in taken), f"{market.venue}:{market.symbol}")
        assigned[market] = name
        taken.add(name)
    return assigned


def find_market(text: str, names: dict[Market, str], venue: str = "") -> Market | None:
    """Return the market of a name (`btcusdt`), ccxt symbol or `venue:symbol`, in any case; None if unknown."""
    return next(iter(_matching(text, names, venue)), None)


def markets_named(text: str, names: dict[Market, str], venue: str = "") -> list[Market]:
    """Return the market with this name, otherwise all markets with this ccxt symbol; as `find_market`."""
    found = _matching(text, names, venue)
    return [market for market in found if names[market].upper() == text.strip().upper()] or found


def _matching(text: str, names: dict[Market, str], venue: str) -> list[Market]:
    wanted = text.strip().upper()
    return [
        market
        for market, name in sorted(names.items(), key=lambda item: _precedence(item[0]))
        if venue in {"", market.venue}
        and wanted in {name.upper(), market.symbol.upper(), f"{market.venue}:{market.symbol}".upper()}
    ]


def _precedence(market: Market) -> tuple[bool, str, str]:
    return ":" not in market.symbol, market.venue, market.symbol
