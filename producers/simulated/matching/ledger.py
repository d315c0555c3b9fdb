"""Money: wallets, what is held and what it cost. Sums are exact; only what leaves a position is ever rounded.

For every linear perpetual, to the last digit:  realized - cost == sum of the trades' cash flows.
For every asset, to the last digit:   total == initial + realized - fees + funding  (spot trades count as realized).
"""

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal

import msgspec

from schemas.units import ZERO, Money, Price, Quantity, Ratio, SignedQuantity, Symbol

CENT = Decimal("0.00000001")
"""The smallest amount of any asset."""
EXACT = Context(prec=60)
"""More digits than a sum of products of prices and quantities ever has."""


class Wallet(msgspec.Struct, kw_only=True):
    """One asset of the account."""

    asset: str
    initial: Money
    total: Money
    fees: Money = ZERO
    realized: Money = ZERO
    funding: Money = ZERO

    def book(self, realized: Money, fee: Money = ZERO) -> None:
        """Add what a trade brought (negative: took) and take what it cost."""
        self.realized += realized
        self.fees += fee
        self.total += realized - fee

    def book_funding(self, amount: Money) -> None:
        """Add what was received for being held, negative when it was paid."""
        self.funding += amount
        self.total += amount


class Holding(msgspec.Struct, kw_only=True):
    """The position in one linear perpetual."""

    symbol: Symbol
    quantity: SignedQuantity = ZERO
    cost: Money = ZERO
    """What is held was traded for this, signed like it."""

    def trade(self, signed: SignedQuantity, price: Price) -> Money:
        """Book a trade; return the profit that it realizes.

        What closes takes its share of the cost with it, rounded; the rest of the cost stays, so nothing is lost.
        """
        closing = _closing(self.quantity, signed)
        opening = signed - closing
        realized = ZERO
        if closing:
            share = self._share_of_cost(closing)
            realized = -closing * price - share
            self.cost -= share
        self.quantity += signed
        self.cost += opening * price
        return realized

    def entry_price(self) -> Price:
        """Return the average price of what is held, 0 when nothing is; 8 digits."""
        return (self.cost / self.quantity).quantize(CENT, ROUND_HALF_EVEN) if self.quantity else ZERO

    def unrealized(self, mark: Price) -> Money:
        """Return what closing everything at `mark` would bring, fees apart."""
        return self.quantity * mark - self.cost

    def _share_of_cost(self, closing: SignedQuantity) -> Money:
        if closing == -self.quantity:
            return self.cost
        return (self.cost * abs(closing) / abs(self.quantity)).quantize(CENT, ROUND_HALF_EVEN)


def fee_of(notional: Money, rate: Ratio) -> Money:
    """Return the fee in the settlement currency, rounded up to 8 digits; a rebate is negative."""
    return (notional * rate).quantize(CENT, ROUND_CEILING)


def most_of_fees(price: Price, quantity: Quantity, lot: Quantity, rate: Ratio) -> Money:
    """Return what the fees of an order can come to, in however many parts it fills.

    Each part's fee is rounded up, so the sum may exceed the fee of the whole.
    """
    return quantity / lot * fee_of(price * lot, rate)


def _closing(held: SignedQuantity, signed: SignedQuantity) -> SignedQuantity:
    if held * signed >= 0:
        return ZERO
    return signed if abs(signed) <= abs(held) else -held
