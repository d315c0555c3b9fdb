"""The decimal context that all money is reckoned in, whatever the caller's is."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

from schemas.units import ZERO

CONTEXT = Context(prec=50, rounding=ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation, Overflow])
"""Wide enough that sums and products of prices, quantities and fees are exact."""

SHARE_DIGITS = Decimal("1e-8")
"""What a proportional share is rounded to; the last share takes what is left, so that nothing is lost."""


def share(whole: Decimal, part: Decimal, total: Decimal) -> Decimal:
    """Return the share of `whole` that `part` of `total` has; all of it when part is the total."""
    if not part:
        return ZERO
    if part == total:
        return whole
    return (whole * part / total).quantize(SHARE_DIGITS)


def check_finite(*values: Decimal) -> None:
    """Refuse what is no number: it would spread through the books without a word.

    Raises: ValueError.
    """
    for value in values:
        if not value.is_finite():
            raise ValueError(f"not an amount: {value}")
