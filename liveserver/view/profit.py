"""What a grid has made, at the newest price, and what may honestly be said of a year."""

from decimal import Decimal

from liveserver.protocol.reports import ProfitData
from liveserver.protocol.server_messages import plain, plain_or_none, seconds
from liveserver.view.market_view import MarketView
from schemas.units import SECOND_NS, Money

DAY_NS = 24 * 3600 * SECOND_NS
YEAR_DAYS = 365
DAYS_STEP = Decimal("0.0001")
RATE_STEP = Decimal("0.01")
RATIO_STEP = Decimal("0.000001")


def profit_of(view: MarketView, equity: Money | None) -> ProfitData | None:
    """Return the profit of a market's grid, None where none trades. `equity` is that of the account it settles in."""
    grid, price = view.grid, view.price
    if grid is None:
        return None
    at = grid.price if price is None else price
    moved = grid.position * (at - grid.price) if at is not None and grid.price is not None else Decimal(0)
    total, unpaired = grid.total_profit + moved, grid.unpaired_profit + moved
    days = Decimal(max(grid.time - grid.first_time, 0)) / DAY_NS if grid.first_time else Decimal(0)
    is_long_enough = days >= 1
    invested = None if equity is None else equity - total
    return ProfitData(
        **view.who._asdict(),
        price=plain_or_none(at),
        grid_profit=plain(grid.grid_profit),
        unpaired_profit=plain(unpaired),
        open_fees=plain(total - grid.grid_profit - unpaired - grid.funding),
        funding=plain(grid.funding),
        total_profit=plain(total),
        fees=plain(grid.fees),
        volume=plain(grid.volume),
        buy_and_hold=plain(grid.buy_and_hold),
        closed_pairs=grid.closed_trades,
        opened_trades=grid.opened_trades,
        days=plain(days.quantize(DAYS_STEP)),
        pairs_per_day=plain((grid.closed_trades / days).quantize(RATE_STEP)) if is_long_enough else None,
        per_year=plain((total / days * YEAR_DAYS).quantize(RATE_STEP)) if is_long_enough else None,
        per_year_of_equity=(
            plain((total / days * YEAR_DAYS / invested).quantize(RATIO_STEP))
            if is_long_enough and invested is not None and invested > 0
            else None
        ),
        first_time=seconds(grid.first_time),
        time=seconds(grid.time),
    )
