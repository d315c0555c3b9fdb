"""The parts of a grid's profit at a price, and their display: rounded parts that add up to the rounded total.

The page repeats both for prices that arrive between two states of the grid: `shownProfit` in
`liveserver/web/model/profit.js`.
"""

from decimal import ROUND_HALF_UP, Context, Decimal

import msgspec

from schemas.grid.view import GridView
from schemas.units import ZERO, Money, Price

SHOWN_DIGITS = ((Decimal("0.1"), 2), (Decimal("0.001"), 4))
"""Decimal places of the amounts shown, by the size from which on the largest of them has as many."""
MAX_SHOWN_DIGITS = 8

_CONTEXT = Context(prec=80)


class ProfitParts(msgspec.Struct, frozen=True, kw_only=True):
    """Total profit and its parts, in quote currency: total = grid profit + unpaired + open fees + funding."""

    total: Money
    grid_profit: Money
    """Of closed pairs, net of the fees on both sides."""
    unpaired: Money
    """Of the holdings, valued at the price."""
    open_fees: Money
    """Fees of the holdings, not part of `grid_profit` yet, as a summand: negative for a cost."""
    funding: Money
    """Positive is received, negative is paid."""


def profit_parts(view: GridView, price: Price | None = None) -> ProfitParts:
    """Return the profit of a grid at a price, by default that of its last step."""
    revaluation = ZERO if price is None or view.price is None else view.position * (price - view.price)
    total, unpaired = view.total_profit + revaluation, view.unpaired_profit + revaluation
    return ProfitParts(
        total=total,
        grid_profit=view.grid_profit,
        unpaired=unpaired,
        open_fees=total - view.grid_profit - unpaired - view.funding,
        funding=view.funding,
    )


def rounded(parts: ProfitParts, digits: int | None = None) -> ProfitParts:
    """Return the amounts with `digits` decimal places, by default as many as their size needs.

    They add up exactly. Total, grid profit, open fees and funding are the nearest ones, so that none of them changes while
    nothing is traded; `unpaired`, which follows the price anyway, takes the rest: at most two units of the last place.
    """
    places = shown_digits(parts) if digits is None else digits
    total, grid_profit = _round(parts.total, places), _round(parts.grid_profit, places)
    open_fees, funding = _round(parts.open_fees, places), _round(parts.funding, places)
    return ProfitParts(
        total=total,
        grid_profit=grid_profit,
        unpaired=total - grid_profit - open_fees - funding,
        open_fees=open_fees,
        funding=funding,
    )


def shown_digits(parts: ProfitParts) -> int:
    """Return the number of decimal places with which the largest amount has at least two digits; 2 if all are 0."""
    largest = max(map(abs, (parts.total, parts.grid_profit, parts.unpaired, parts.open_fees, parts.funding)))
    if not largest:
        return SHOWN_DIGITS[0][1]
    return next((digits for size, digits in SHOWN_DIGITS if largest >= size), MAX_SHOWN_DIGITS)


def _round(value: Money, digits: int) -> Money:
    # Adding 0 removes the sign of a negative amount that rounds to 0.
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _CONTEXT) + 0
