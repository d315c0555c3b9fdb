"""The value of a fee in quote currency: the one rule for own trades and fills of every version."""

from collections.abc import Mapping
from typing import Protocol

from schemas.units import ZERO, Money, Price, Symbol


class Charged(Protocol):
    """An own trade, or a fill, with its fee as charged."""

    @property
    def symbol(self) -> Symbol: ...

    @property
    def price(self) -> Price: ...

    @property
    def fee(self) -> Money: ...

    @property
    def fee_asset(self) -> str: ...

    @property
    def fee_value(self) -> Money | None: ...


def fee_in_quote(charged: Charged) -> Money | None:
    """Return the fee in quote currency, None when its asset has no price here.

    The stated value counts first. Otherwise a fee in base currency is worth the trade's own price, and a fee in another
    asset than base, quote or settlement currency is unknown: it is never taken for 0.
    """
    if charged.fee_value is not None:
        return charged.fee_value
    if not charged.fee:
        return ZERO
    base, quote, settle = assets_of(charged.symbol)
    if charged.fee_asset in {quote, settle}:
        return charged.fee
    return charged.fee * charged.price if charged.fee_asset == base else None


def assets_of(symbol: Symbol) -> tuple[str, str, str]:
    """Return base, quote and settlement currency of a symbol: `BTC/USDT:USDT` gives BTC, USDT, USDT."""
    base, _, rest = symbol.partition("/")
    quote, _, settle = rest.partition(":")
    return base, quote, settle.partition("-")[0] or quote


def before_fees(fees_other: Mapping[str, Money]) -> str:
    """Return which fees a profit does not include, as `before 0.0005 BNB`; empty when it includes all."""
    amounts = [f"{amount.normalize():f} {asset}" for asset, amount in sorted(fees_other.items()) if amount]
    return f"before {' and '.join(amounts)}" if amounts else ""
