"""Fill models: how much of a resting order one tick fills.

Orders are asked for in order of priority, and what one of them is given is no longer there for the next one.
"""

from decimal import Decimal

from producers.simulated.listing import Liquidity, Listing, Quote
from producers.simulated.matching.changes import CandleFills
from producers.simulated.matching.orders import Order
from producers.simulated.parameters import FillModel
from schemas.units import ZERO, Price, Quantity, Side
from schemas.venue.instruments import floor_to


class TickLiquidity:
    """What one tick of a symbol offers the account's resting orders."""

    def __init__(self, listing: Listing, liquidity: Liquidity, filled: CandleFills | None) -> None:
        """Start a tick; `filled` is what earlier ticks have filled in the recorded candle."""
        self._model = listing.fills.model
        self._lot = listing.rules.lot_size
        self._touched = liquidity.traded
        self._queue_share = liquidity.queue_share
        self._candle = _candle_fills(liquidity, filled)
        self._limit = None if liquidity.limit is None else liquidity.limit.volume

    @property
    def candle_fills(self) -> CandleFills | None:
        """What is filled in the recorded candle so far, this tick included; None without a recorded volume."""
        return self._candle

    def offer(self, order: Order, *, is_through: bool) -> Quantity:
        """Return the most that the tick fills of an order; a touch moves the order forward in its queue."""
        offered = order.remaining if is_through else floor_to(self._offer_touched(order), self._lot)
        if self._limit is not None and self._candle is not None:
            offered = min(offered, floor_to(max(self._limit - self._candle.quantity, ZERO), self._lot))
        return offered

    def take(self, quantity: Quantity, *, is_through: bool) -> None:
        """Account for a fill."""
        if not is_through:
            self._touched -= quantity
        if self._candle is not None:
            self._candle.quantity += quantity

    def _offer_touched(self, order: Order) -> Quantity:
        match self._model:
            case FillModel.OPTIMISTIC:
                return self._touched * self._queue_share
            case FillModel.QUEUE:
                ahead = min(order.queue_ahead, self._touched)
                order.queue_ahead -= ahead
                return self._touched - ahead
            case FillModel.THROUGH:
                return ZERO


def quantity_ahead(listing: Listing, quote: Quote, side: Side, price: Price) -> Quantity:
    """Return the quantity of other participants that is ahead of a new order: none if it improves the best price.

    Beyond the displayed levels it is that of the last level.
    """
    if listing.fills.model is not FillModel.QUEUE:
        return ZERO
    distance = side.sign * (quote.same_side(side) - price)
    if distance < 0:
        return ZERO
    notional = listing.depth_notional
    if quote.depth is not None:
        level = min(int(distance / quote.depth.step), quote.depth.levels - 1)
        notional = quote.depth.notional_at(side, level)
    share = Decimal(str(listing.fills.queue_share))
    return floor_to(notional * share / price, listing.rules.lot_size)


def _candle_fills(liquidity: Liquidity, filled: CandleFills | None) -> CandleFills | None:
    if liquidity.limit is None:
        return None
    if filled is not None and filled.open_time == liquidity.limit.open_time:
        return filled
    return CandleFills(open_time=liquidity.limit.open_time, quantity=ZERO)
