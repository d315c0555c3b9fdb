"""Money arithmetic: the decimal context, proportional shares, total profit."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

from schemas.grid.state import Accounts
from schemas.units import ZERO, Money, Price, SignedQuantity

CONTEXT = Context(prec=50, rounding=ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation, Overflow])
"""50 digits: sums and products of prices, quantities and fees are exact at their usual sizes."""

SHARE_DIGITS = Decimal("1e-8")
"""Rounding of a proportional share. The last share takes the remainder, so that the shares add up to the whole."""


def share(whole: Decimal, part: Decimal, total: Decimal) -> Decimal:
    """Return `whole * part / total`, rounded; exactly `whole` when part is the total."""
    if not part:
        return ZERO
    if part == total:
        return whole
    return (whole * part / total).quantize(SHARE_DIGITS)


def total_profit(accounts: Accounts, price: Price) -> Money:
    """Return the profit since the start if the position were closed at `price` without a fee, in quote."""
    return accounts.cash + accounts.position * price - accounts.fees + accounts.funding


def quantity_text(quantity: SignedQuantity) -> str:
    """Return a quantity as text: `0.050` as it is, and `0` for every notation of zero."""
    return format(quantity, "f") if quantity else "0"


def check_finite(*values: Decimal) -> None:
    """Reject NaN and infinity before they spread through the accounts.

    Raises: ValueError for the first value that is not finite.
    """
    for value in values:
        if not value.is_finite():
            raise ValueError(f"not a finite amount: {value}")
