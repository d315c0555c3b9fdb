"""Fees: their value in quote currency, and what they take of the base currency; for own trades and fills."""

from collections.abc import Mapping
from typing import Protocol

from schemas.units import ZERO, Money, Price, Quantity, Side, SignedQuantity, Symbol


class Charged(Protocol):
    """An own trade, or a fill, with its fee as charged."""

    @property
    def symbol(self) -> Symbol: ...

    @property
    def side(self) -> Side: ...

    @property
    def quantity(self) -> Quantity: ...

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

    On spot a fee in base currency is worth the trade's own price: it is a part of what was traded. Otherwise the stated
    value counts first. A fee in another asset than base, quote or settlement currency is unknown: it is never taken for 0.
    """
    if taken := base_fee(charged):
        return taken * charged.price
    if charged.fee_value is not None:
        return charged.fee_value
    if not charged.fee:
        return ZERO
    base, quote, settle = assets_of(charged.symbol)
    if charged.fee_asset in {quote, settle}:
        return charged.fee
    return charged.fee * charged.price if charged.fee_asset == base else None


def base_fee(charged: Charged) -> SignedQuantity:
    """Return the part of the account's base currency that a fee took; 0 on contracts, which are not paid in it."""
    is_spot = ":" not in charged.symbol
    return charged.fee if is_spot and charged.fee_asset == assets_of(charged.symbol)[0] else ZERO


def position_change(charged: Charged) -> SignedQuantity:
    """Return by how much a trade changed what the account holds: its quantity with its sign, less a fee in base currency."""
    return charged.side.sign * charged.quantity - base_fee(charged)


def assets_of(symbol: Symbol) -> tuple[str, str, str]:
    """Return base, quote and settlement currency of a symbol: `BTC/USDT:USDT` gives BTC, USDT, USDT."""
    base, _, rest = symbol.partition("/")
    quote, _, settle = rest.partition(":")
    return base, quote, settle.partition("-")[0] or quote


def before_fees(fees_other: Mapping[str, Money]) -> str:
    """Return which fees a profit does not include, as `before 0.0005 BNB`; empty when it includes all."""
    amounts = [f"{amount.normalize():f} {asset}" for asset, amount in sorted(fees_other.items()) if amount]
    return f"before {' and '.join(amounts)}" if amounts else ""
