"""Watches the venue: what its account could reach with each order that it accepts, and one order a level."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from engine.core.guards.max_position import side_limit
from lab.simulation.oracles.records import RecordWatch
from lab.simulation.world.world import WorldSettings
from producers.ports import AccountUpdate
from producers.simulated.app import RunningVenue
from producers.simulated.matching.orders import Order
from producers.simulated.server.venue import Venue
from schemas.units import ZERO, ClientOrderId, Money, Quantity, Side, SignedQuantity, Symbol
from schemas.venue.fees import base_fee
from schemas.venue.instruments import InstrumentKind, quote_of
from schemas.venue.order_ids import parse_order_id
from schemas.venue.orders import OrderReport, OrderStatus, Trade

TOLERANCE = Decimal("1.03")
"""Of the exposure limit: the market moves between the gateway's check and the order's arrival.

Gateways that check at the same moment do not see each other's orders (decision 11): each may use the limit up.
"""
MAX_PROBLEMS = 5


class VenueWatch:
    """Checks each accepted order."""

    def __init__(self, records: RecordWatch, settings: WorldSettings) -> None:
        self.exposure_problems: list[str] = []
        self.level_problems: list[str] = []
        self.position_problems: list[str] = []
        self.orders = 0
        """Number of accepted orders."""
        self._base_fees: defaultdict[Symbol, Quantity] = defaultdict(lambda: ZERO)
        """What fees took of the base currency of a spot symbol."""
        self._records = records
        self._grids = {each.symbol: each.settings for each in settings.configuration.symbols}
        self._limits = settings.configuration.portfolio
        self._factor = TOLERANCE * settings.gateways
        self._venue: Venue | None = None

    def follow(self, running: RunningVenue) -> None:
        """Follow the venue from the start of its process on."""
        self._venue = running.venue
        running.venue.subscribe(self._on_updates)

    def open_orders(self, symbol: Symbol) -> int:
        """Return the number of open orders of a symbol."""
        return len(self._venue.matching.open_orders(symbol)) if self._venue is not None else 0

    def _on_updates(self, updates: Sequence[AccountUpdate]) -> None:
        for update in updates:
            if isinstance(update.event, Trade):
                self._base_fees[update.event.symbol] += base_fee(update.event)
            if isinstance(update.event, OrderReport) and update.event.status is OrderStatus.NEW:
                self.orders += 1
                self._check_levels(update.event)
                self._check_exposure(update.event)
                self._check_max_position(update.event)

    def _check_levels(self, report: OrderReport) -> None:
        assert self._venue is not None, "it sends updates"
        placed = parse_order_id(report.client_order_id)
        if placed is None or len(self.level_problems) >= MAX_PROBLEMS:
            return
        parts = map(parse_order_id, self._venue.matching.account.open_orders[report.symbol])
        levels = Counter((each.generation, each.level) for each in parts if each is not None)
        if levels[placed.generation, placed.level] > 1:
            self.level_problems.append(
                f"{report.client_order_id} is the second open order of its level at {report.time}"
            )

    def _check_exposure(self, report: OrderReport) -> None:
        if not self._records.opens.get(report.client_order_id) or len(self.exposure_problems) >= MAX_PROBLEMS:
            return
        currency = quote_of(report.symbol)
        limit = self._limits.of(currency).max_exposure
        if not limit:
            return
        total = self._exposure(currency)
        if total > limit * self._factor:
            self.exposure_problems.append(
                f"with {report.client_order_id} at {report.time} the exposure may reach {total:.2f} {currency}, "
                f"the limit is {limit:f}"
            )

    def _check_max_position(self, report: OrderReport) -> None:
        """Check what the side of an opening order may reach, at the newest price."""
        assert self._venue is not None, "it sends updates"
        grid, side = self._grids.get(report.symbol), report.side
        is_opening = self._records.opens.get(report.client_order_id)
        if grid is None or side is None or not is_opening or len(self.position_problems) >= MAX_PROBLEMS:
            return
        limit = side_limit(grid, side)[0]
        if grid.max_position is None or not limit:
            return
        account, symbol = self._venue.matching.account, report.symbol
        held = max(side.sign * self._position(symbol), ZERO) * account.quotes[symbol].last
        total = held + self._opening(account.open_orders[symbol], side)
        if total > limit * TOLERANCE:
            self.position_problems.append(
                f"with {report.client_order_id} at {report.time} the grid may hold {total:.2f}, max_position is {limit:f}"
            )

    def _exposure(self, currency: str) -> Money:
        """Return the largest notional that the symbols may reach with the opening orders of one side filled."""
        assert self._venue is not None, "it sends updates"
        account, total = self._venue.matching.account, ZERO
        for symbol, orders in account.open_orders.items():
            if quote_of(symbol) == currency:
                held = self._position(symbol) * account.quotes[symbol].last
                total += max(held + self._opening(orders, Side.BUY), self._opening(orders, Side.SELL) - held)
        return total

    def _opening(self, orders: Mapping[ClientOrderId, Order], side: Side) -> Money:
        return sum(
            (
                each.remaining * each.price
                for each in orders.values()
                if each.side is side and self._is_opening(each)
            ),
            ZERO,
        )

    def _is_opening(self, order: Order) -> bool:
        return self._records.opens.get(order.client_order_id, False)

    def _position(self, symbol: Symbol) -> SignedQuantity:
        assert self._venue is not None, "it sends updates"
        account, rules = self._venue.matching.account, self._venue.matching.listing(symbol).rules
        if rules.kind is InstrumentKind.SPOT:
            wallet = account.wallets[rules.base]
            return wallet.total - wallet.initial + wallet.fees - self._base_fees[symbol]
        return account.holdings[symbol].quantity
