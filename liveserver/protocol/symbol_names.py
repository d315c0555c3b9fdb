"""The names that browsers know markets by: `BTCUSDT`, and how a name is understood."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.units import Symbol, VenueId


class Market(NamedTuple):
    """One symbol of one venue."""

    venue: VenueId
    symbol: Symbol


def pair(symbol: Symbol) -> tuple[str, str]:
    """Return base and quote currency."""
    base, _, quote = symbol.partition(":")[0].partition("/")
    return base, quote


def assets(symbol: Symbol) -> tuple[str, ...]:
    """Return the assets whose balances matter: what a derivative settles in, or both of a spot pair."""
    base, quote = pair(symbol)
    settle = symbol.partition(":")[2].split("-")[0]
    return (settle,) if settle else (quote, base)


def names(markets: Iterable[Market]) -> dict[Market, str]:
    """Return a name for every market, no two alike.

    Base and quote joined. Where several markets would be called the same, a perpetual is called so rather than a
    spot market, and then the first venue's by name; the others get what tells them apart: `BTCUSDT.SPOT`,
    `BTCUSDT.bybit`, `BTCUSDT.SPOT.bybit`.
    """
    given: dict[Market, str] = {}
    taken: set[str] = set()
    for market in sorted(markets, key=_precedence):
        base, quote = pair(market.symbol)
        plain = f"{base}{quote}".upper()
        spot = "" if ":" in market.symbol else ".SPOT"
        choices = (plain, f"{plain}{spot}", f"{plain}.{market.venue}", f"{plain}{spot}.{market.venue}")
        name = next((c for c in choices if c not in taken), f"{market.venue}:{market.symbol}")
        given[market] = name
        taken.add(name)
    return given


def find(text: str, named: dict[Market, str], venue: str = "") -> Market | None:
    """Return the market that a name or a ccxt symbol means, in any case; None when there is none."""
    wanted = text.strip().upper()
    for market, name in sorted(named.items(), key=lambda item: _precedence(item[0])):
        is_venue = not venue or market.venue == venue
        if is_venue and wanted in {
            name.upper(),
            market.symbol.upper(),
            f"{market.venue}:{market.symbol}".upper(),
        }:
            return market
    return None


def _precedence(market: Market) -> tuple[bool, str, str]:
    return ":" not in market.symbol, market.venue, market.symbol
