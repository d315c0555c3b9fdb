"""What the API tells beside what sockets do: profit, and how a server is."""

import msgspec

from liveserver.protocol.server_messages import OfMarket


class ProfitData(OfMarket, frozen=True, kw_only=True):
    """What a grid has made: `total_profit` is the sum of grid profit, unpaired, open fees and funding.

    The API sends it, no socket does.
    """

    price: str | None
    """That everything is told at: the newest."""
    grid_profit: str
    """Of closed pairs, net of the fees on both sides."""
    unpaired_profit: str
    """Of what is held, if it were sold at `price`."""
    open_fees: str
    """Paid for what is held: not yet part of `grid_profit`; negative."""
    funding: str
    total_profit: str
    fees: str
    """All that were paid; those of closed pairs are in `grid_profit` already."""
    volume: str
    """Traded on both sides, in quote."""
    buy_and_hold: str
    """What holding a full window's worth since the start would have made."""
    closed_pairs: int
    opened_trades: int
    days: str
    """Since the first trade."""
    pairs_per_day: str | None
    """None in the first day."""
    per_year: str | None
    """The total so far, drawn out to 365 days: an extrapolation and no forecast. None in the first day."""
    per_year_of_equity: str | None
    """The same as a share of the account's equity less the profit: of all its money, other symbols' included."""
    first_time: int
    time: int


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a live server is."""

    replica: str
    status: str
    """`waiting` until the bus was read once, `live`, `cut` while the bus is out of reach."""
    uptime: int
    clients: int
    symbols: tuple[str, ...]
    bus_reconnects: int
    problems: tuple[str, ...]
