"""Profit of a grid at the newest price, with an extrapolation to one year."""

from decimal import Decimal

from liveserver.protocol.server_messages import ProfitData
from liveserver.view.market_view import MarketView
from liveserver.view.rendering import (
    closed_pairs,
    decimal_text,
    decimal_text_or_none,
    decimal_texts,
    shown_profit,
    to_seconds,
)
from schemas.grid.profit import profit_parts
from schemas.units import SECOND_NS, DurationNs, Money

DAY_NS: DurationNs = 24 * 3600 * SECOND_NS
YEAR_DAYS = 365
DAYS_PRECISION = Decimal("0.0001")
RATE_PRECISION = Decimal("0.01")
RATIO_PRECISION = Decimal("0.000001")


def profit_of(view: MarketView, equity: Money | None) -> ProfitData | None:
    """Return the profit of a market's grid at the newest price, None without a grid.

    Amounts are in the quote asset: total = grid + unpaired + open fees (negative for a cost) + funding. `equity` is the
    worth of the account in the settlement asset, which includes the total profit; without it, or before a full day, rates
    are None.
    """
    grid, price = view.grid, view.price
    if grid is None:
        return None
    at = grid.price if price is None else price
    parts = profit_parts(grid, at)
    total = parts.total
    elapsed_ns = max(grid.time - grid.first_time, 0) if grid.first_time else 0
    days = Decimal(elapsed_ns) / DAY_NS
    has_full_day = days >= 1
    invested = None if equity is None else equity - total
    return ProfitData(
        **view.label._asdict(),
        price=decimal_text_or_none(at),
        grid_profit=decimal_text(parts.grid_profit),
        unpaired_profit=decimal_text(parts.unpaired),
        open_fees=decimal_text(parts.open_fees),
        funding=decimal_text(parts.funding),
        total_profit=decimal_text(total),
        fees=decimal_text(grid.fees),
        volume=decimal_text(grid.volume),
        buy_and_hold=decimal_text(grid.buy_and_hold),
        closed_pairs=closed_pairs(grid),
        opened_trades=grid.opened_trades,
        days=decimal_text(days.quantize(DAYS_PRECISION)),
        pairs_per_day=decimal_text((closed_pairs(grid) / days).quantize(RATE_PRECISION))
        if has_full_day
        else None,
        per_year=decimal_text((total / days * YEAR_DAYS).quantize(RATE_PRECISION)) if has_full_day else None,
        per_year_of_equity=(
            decimal_text((total / days * YEAR_DAYS / invested).quantize(RATIO_PRECISION))
            if has_full_day and invested is not None and invested > 0
            else None
        ),
        first_time=to_seconds(grid.first_time),
        time=to_seconds(grid.time),
        fees_other=decimal_texts(grid.fees_other),
        shown=shown_profit(parts),
    )
