"""The market that orders are priced against, and the order that closes what a slot holds."""

from typing import NamedTuple

from engine.core.orders.price_lattice import Lattice
from schemas.grid.settings import GridSettings
from schemas.grid.state import GridState, Slot
from schemas.units import ZERO, Price, Quantity, Side, SignedQuantity, TimeNs
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.market import Ticker


class Market(NamedTuple):
    """The prices that orders are planned against."""

    price: Price
    bid: Price
    ask: Price
    time: TimeNs


class Quote(NamedTuple):
    """An order to place."""

    level: int
    side: Side
    price: Price
    quantity: Quantity
    opens: bool
    post_only: bool
    reason: DecisionReason
    pools: bool = False
    """See `SlotOrder.pools`."""


def bounded(settings: GridSettings, price: Price) -> Price:
    """Return a price clamped to `lower_price` and `upper_price`."""
    if settings.lower_price is not None:
        price = max(price, settings.lower_price)
    return price if settings.upper_price is None else min(price, settings.upper_price)


def market_of(ticker: Ticker) -> Market:
    """Return the market of a ticker. Its price is the last traded one, clamped to the best bid and ask.

    Replays and users see the last price. The best prices keep it current while nothing trades.
    """
    price = max(ticker.last, ticker.bid)
    if ticker.ask > 0:
        price = min(price, ticker.ask)
    return Market(price, ticker.bid, ticker.ask, ticker.time)


def market_in(state: GridState) -> Market | None:
    """Return the market of the last step, None before the first price."""
    return None if state.price is None else Market(state.price, state.bid, state.ask, state.price_time)


def closing_quote(state: GridState, lattice: Lattice, slot: Slot) -> Quote:
    """Return the order that closes what a slot holds, one level further; it may be below the minimum."""
    side = Side.SELL if slot.held > 0 else Side.BUY
    price = lattice.order_price(_closing_level(state, slot), side)
    quantity = state.instrument.order_quantity(state.instrument.closable(slot.held), price)
    return Quote(
        slot.level,
        side,
        price,
        quantity,
        opens=False,
        post_only=False,
        reason=DecisionReason.CLOSE_LEVEL,
    )


def is_closing_in_window(state: GridState, slot: Slot) -> bool:
    """Return whether the level of a slot's closing order is in the window."""
    level = _closing_level(state, slot)
    if slot.held > 0:
        return level <= state.center + state.settings.sell_window * state.stride
    return level >= state.center - state.settings.buy_window * state.stride


def is_dust(rules: Instrument, held: SignedQuantity) -> bool:
    """Return whether a slot holds something, but less than a lot: no order can close it alone."""
    return bool(held) and not rules.quantity_down(abs(held))


def is_below_minimum(rules: Instrument, quote: Quote) -> bool:
    """Return whether an order is smaller than the venue accepts."""
    return (
        quote.quantity <= 0
        or quote.quantity < rules.minimum_quantity
        or quote.quantity * quote.price < rules.minimum_notional
    )


def is_closable(state: GridState, quote: Quote) -> bool:
    """Return whether the venue accepts a closing order of this size: reduce-only ones may be exempt from its minimum."""
    rules = state.instrument
    if not is_below_minimum(rules, quote):
        return True
    is_lot = quote.quantity >= max(rules.minimum_quantity, rules.lot_size)
    return is_lot and rules.closes_exempt_from_minimum and is_reduce_only(state, quote)


def closing_left(state: GridState, side: Side) -> Quantity:
    """Return what the closing orders of a side may still trade."""
    orders = [slot.order for slot in state.slots.values() if slot.order is not None]
    return sum(
        (each.quantity - each.traded_quantity for each in orders if not each.opens and each.side is side),
        ZERO,
    )


def closable_at_venue(state: GridState, side: Side) -> Quantity | None:
    """Return how much the account has left to close on a side; None while it has what the books hold."""
    at_venue = state.venue_position
    if at_venue is None:
        return None
    ours = at_venue if state.instrument.kind is InstrumentKind.SPOT else at_venue - state.foreign_position
    return max(-side.sign * ours - closing_left(state, side), ZERO)


def is_reduce_only(state: GridState, quote: Quote) -> bool:
    """Return whether an order can be sent as reduce-only; spot has no such orders.

    The venue nets the slots: where one holds long and another short, the net position is smaller than what the slots close,
    and a reduce-only order would be rejected or expire. Such an order is sent as a plain one. A foreign position is netted
    as well. It may reduce what can be closed, but is not relied upon to increase it, because it may vanish at any time.
    """
    if quote.opens or state.instrument.kind is not InstrumentKind.LINEAR_PERPETUAL:
        return False
    closing = closing_left(state, quote.side)
    ours = state.accounts.position
    reducible = min(-quote.side.sign * each for each in (ours, ours + state.foreign_position))
    return closing + quote.quantity <= reducible


def _closing_level(state: GridState, slot: Slot) -> int:
    return slot.level + (state.stride if slot.held > 0 else -state.stride)
