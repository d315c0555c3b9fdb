"""Wallets and positions with exact decimal sums.

Only the share of the cost that leaves a position is rounded. Two identities hold to the last digit:
of each linear perpetual:  realized - cost == sum of the trades' cash flows
of each asset:             total == initial + realized - fees + funding  (spot trades count as realized)
"""

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal

import msgspec

from producers.simulated.parameters import PositionSide
from schemas.units import ZERO, Money, Price, Quantity, Ratio, SignedQuantity, Symbol

AMOUNT_STEP = Decimal("0.00000001")
"""Smallest amount of any asset."""
EXACT = Context(prec=60)
"""More digits than any sum of products of prices and quantities needs, so that no arithmetic rounds."""


class Wallet(msgspec.Struct, kw_only=True):
    """The account's holdings of one asset."""

    asset: str
    initial: Money
    total: Money
    fees: Money = ZERO
    realized: Money = ZERO
    funding: Money = ZERO

    def book(self, realized: Money, fee: Money = ZERO) -> None:
        """Book the proceeds of a trade (negative for a payment) and its fee."""
        self.realized += realized
        self.fees += fee
        self.total += realized - fee

    def book_funding(self, amount: Money) -> None:
        """Book a funding payment: positive when received, negative when paid."""
        self.funding += amount
        self.total += amount


class Holding(msgspec.Struct, kw_only=True):
    """The position in one linear perpetual."""

    symbol: Symbol
    quantity: SignedQuantity = ZERO
    cost: Money = ZERO
    """Cost basis of the position, with the sign of `quantity`."""
    margin: Money = ZERO
    """Part of the wallet that covers the position in isolated margin; 0 in cross margin."""
    side: PositionSide = PositionSide.NET
    """The position in hedge mode: long or short."""

    def trade(self, signed: SignedQuantity, price: Price) -> Money:
        """Book a trade and return the profit that it realizes.

        The closed part takes its share of the cost, rounded to 8 digits; the rest of the cost stays with the position.
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

    def assign_margin(self, signed: SignedQuantity, price: Price, leverage: Decimal) -> None:
        """Assign isolated margin for a trade that is about to be booked: the closed part releases its share.

        The opened part is given its notional divided by the leverage, rounded up to 8 digits.
        """
        closing = _closing(self.quantity, signed)
        if closing:
            released = self.margin * abs(closing) / abs(self.quantity)
            self.margin -= released.quantize(AMOUNT_STEP, ROUND_HALF_EVEN)
        self.margin += (abs(signed - closing) * price / leverage).quantize(AMOUNT_STEP, ROUND_CEILING)

    def entry_price(self) -> Price:
        """Return the average entry price, rounded to 8 digits; 0 when flat."""
        return (self.cost / self.quantity).quantize(AMOUNT_STEP, ROUND_HALF_EVEN) if self.quantity else ZERO

    def unrealized(self, mark: Price) -> Money:
        """Return the profit of closing the whole position at `mark`, before fees."""
        return self.quantity * mark - self.cost

    def _share_of_cost(self, closing: SignedQuantity) -> Money:
        if closing == -self.quantity:
            return self.cost
        return (self.cost * abs(closing) / abs(self.quantity)).quantize(AMOUNT_STEP, ROUND_HALF_EVEN)


def fee_of(notional: Money, rate: Ratio) -> Money:
    """Return the fee in the settlement currency, rounded up to 8 digits; negative for a rebate."""
    return (notional * rate).quantize(AMOUNT_STEP, ROUND_CEILING)


def max_fees(price: Price, quantity: Quantity, lot: Quantity, rate: Ratio) -> Money:
    """Return an upper bound of an order's fees over any split into partial fills.

    The fee of each fill is rounded up, so their sum may exceed the fee of the whole.
    """
    return quantity / lot * fee_of(price * lot, rate)


def _closing(held: SignedQuantity, signed: SignedQuantity) -> SignedQuantity:
    if held * signed >= 0:
        return ZERO
    return signed if abs(signed) <= abs(held) else -held
