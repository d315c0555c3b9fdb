"""What orders a grid should have: compared with those it has, that makes the cancels and the orders to place.

Pure: it reads the state and changes nothing. A plan made from what a plan left behind is empty.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from engine.core.blocking import stopped_by
from engine.core.guards.circuit_breaker import windows
from engine.core.orders.price_lattice import Lattice
from engine.core.orders.slots import is_working
from engine.core.quoting.order_cleanup import in_the_way
from engine.core.quoting.volatility import order_amount
from schemas.grid.settings import GridSettings
from schemas.grid.state import GridState, Slot, SlotOrder
from schemas.grid.view import NotQuoting
from schemas.units import ZERO, Price, Quantity, Side, TimeNs
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.market import Ticker

NEAR = Decimal("0.1")
"""Share of the interval: a level nearer to the price than this is not opened."""

OBSTACLES = (
    NotQuoting.BELOW_MINIMUM,
    NotQuoting.EXPOSURE_LIMIT,
    NotQuoting.COOL_DOWN,
    NotQuoting.WOULD_CROSS,
    NotQuoting.AWAITING_VENUE,
    NotQuoting.WINDOW_FULL,
    NotQuoting.OUT_OF_BOUNDS,
)
"""What may stand against a level's opening order; of several, the first is named as the reason."""


class Market(NamedTuple):
    """What orders are placed against."""

    price: Price
    bid: Price
    ask: Price
    time: TimeNs


class Quote(NamedTuple):
    """An order that should be placed."""

    level: int
    side: Side
    price: Price
    quantity: Quantity
    opens: bool
    post_only: bool


class Opening(NamedTuple):
    """A level of the window that has no opening order: the order it could have, and what stands against it."""

    quote: Quote
    obstacle: NotQuoting | None


class Plan(NamedTuple):
    """What to change."""

    cancels: list[tuple[SlotOrder, str]]
    """Orders and why."""
    quotes: list[Quote]
    """Closing orders first, then what is nearest to the price."""
    depends_on_price: bool
    """A move inside the center's bounds, or of the best prices, can make another plan."""


def market_of(ticker: Ticker) -> Market:
    """Return what a ticker says of the price: the last traded one, kept within the best bid and ask.

    The last price is what people see and what replays have; where nothing trades for a while the best prices go on.
    """
    price = max(ticker.last, ticker.bid)
    if ticker.ask > 0:
        price = min(price, ticker.ask)
    return Market(price, ticker.bid, ticker.ask, ticker.time)


def market_in(state: GridState) -> Market | None:
    """Return the market that the last decision was made at."""
    return None if state.price is None else Market(state.price, state.bid, state.ask, state.price_time)


def plan(state: GridState, lattice: Lattice, market: Market, now: TimeNs) -> Plan:
    """Return the changes that make the orders right, for a state whose center is the market's."""
    cancels = []
    closings = []
    depends_on_price = False
    for level in sorted(state.slots):
        slot = state.slots[level]
        if slot.order is not None:
            depends_on_price |= slot.order.opens and bool(slot.held) and is_working(slot.order)
            reason = _reason_to_cancel(state, lattice, market, slot, slot.order)
            if reason is not None:
                cancels.append((slot.order, reason))
        elif slot.held and slot.quiet_until <= now and _is_closing_in_window(state, slot):
            quote = _closing(state, lattice, slot)
            if not _is_below_minimum(state.instrument, quote):
                closings.append(quote)
    found = list(openings(state, lattice, market, now)) if stopped_by(state) is None else []
    depends_on_price |= any(each.obstacle is NotQuoting.WOULD_CROSS for each in found)
    opening = [each.quote for each in found if each.obstacle is None]
    quotes = _nearest_first(closings, market) + _nearest_first(opening, market)
    quota = _quota(state)
    waiting = [abs(quote.price - market.price) if quote.opens else ZERO for quote in quotes[quota:]]
    depends_on_price |= bool(waiting)
    if not cancels:
        cancels = [(order, "room for nearer ones") for order in in_the_way(state, market.price, waiting)]
    return Plan(cancels, quotes[:quota], depends_on_price)


def openings(state: GridState, lattice: Lattice, market: Market, now: TimeNs) -> Iterator[Opening]:
    """Yield the levels of the window that have no working opening order, nearest first, buys before sells."""
    amount = order_amount(state)
    for level, side in _window(state):
        slot = state.slots.get(level)
        order = slot.order if slot else None
        if order is not None and order.opens and is_working(order):
            continue
        plain = (
            state.settings.allow_taker
            and slot is not None
            and slot.rejections >= state.settings.post_only_retries
        )
        price = lattice.order_price(level, side)
        quantity = state.instrument.quantity_down(amount / price) if price > 0 else ZERO
        quote = Quote(level, side, price, quantity, opens=True, post_only=not plain)
        yield Opening(quote, _obstacle(state, lattice, market, now, quote, slot))


def why_not(state: GridState, lattice: Lattice | None) -> NotQuoting | None:
    """Return the one reason why no opening order is out, None when there is one."""
    market = market_in(state)
    if lattice is None or market is None:
        return NotQuoting.NO_PRICE
    orders = [slot.order for slot in state.slots.values() if slot.order]
    if any(order.opens and is_working(order) for order in orders):
        return None
    guard = stopped_by(state)
    if guard is not None:
        return guard
    obstacles = {each.obstacle for each in openings(state, lattice, market, state.time)}
    if None in obstacles:
        return NotQuoting.QUOTA
    return next((each for each in OBSTACLES if each in obstacles), NotQuoting.BREAKER_HALF_OPEN)


def bounded(settings: GridSettings, price: Price) -> Price:
    """Return the price within the grid's bounds that is nearest to a price."""
    if settings.lower_price is not None:
        price = max(price, settings.lower_price)
    return price if settings.upper_price is None else min(price, settings.upper_price)


def is_near(lattice: Lattice, level: int, price: Price, stride: int = 1) -> bool:
    """Tell whether a level is too near to the price to be opened."""
    return abs(lattice.price(level) - price) < NEAR * lattice.spacing(level, stride)


def _window(state: GridState) -> Iterator[tuple[int, Side]]:
    center, stride, window = state.center, state.stride, windows(state)
    for distance in range(1, window.buy + 1):
        yield center - distance * stride, Side.BUY
    for distance in range(1, window.sell + 1):
        yield center + distance * stride, Side.SELL


def _obstacle(
    state: GridState, lattice: Lattice, market: Market, now: TimeNs, quote: Quote, slot: Slot | None
) -> NotQuoting | None:
    if slot is not None:
        if slot.order is not None:
            return NotQuoting.AWAITING_VENUE if slot.order.opens else NotQuoting.WINDOW_FULL
        if slot.held and not _may_add(state, lattice, slot, quote.side):
            return NotQuoting.WINDOW_FULL
        if slot.quiet_until > now:
            return NotQuoting.EXPOSURE_LIMIT if slot.is_limited else NotQuoting.COOL_DOWN
    return _obstacle_of_price(state, lattice, market, quote)


def _obstacle_of_price(state: GridState, lattice: Lattice, market: Market, quote: Quote) -> NotQuoting | None:
    if bounded(state.settings, quote.price) != quote.price:
        return NotQuoting.OUT_OF_BOUNDS
    if _is_below_minimum(state.instrument, quote):
        return NotQuoting.BELOW_MINIMUM
    if is_near(lattice, quote.level, market.price, state.stride) or (
        quote.post_only and _would_cross(quote, market)
    ):
        return NotQuoting.WOULD_CROSS
    return None


def _may_add(state: GridState, lattice: Lattice, slot: Slot, side: Side) -> bool:
    # What is too little to be closed is added to, so that it can be closed with the rest.
    is_dust = _is_below_minimum(state.instrument, _closing(state, lattice, slot))
    return is_dust and slot.held * side.sign > 0


def _closing(state: GridState, lattice: Lattice, slot: Slot) -> Quote:
    side = Side.SELL if slot.held > 0 else Side.BUY
    price = lattice.order_price(_closing_level(state, slot), side)
    quantity = state.instrument.quantity_down(abs(slot.held))
    return Quote(slot.level, side, price, quantity, opens=False, post_only=False)


def _closing_level(state: GridState, slot: Slot) -> int:
    return slot.level + (state.stride if slot.held > 0 else -state.stride)


def _is_closing_in_window(state: GridState, slot: Slot) -> bool:
    level = _closing_level(state, slot)
    if slot.held > 0:
        return level <= state.center + state.settings.sell_window * state.stride
    return level >= state.center - state.settings.buy_window * state.stride


def _reason_to_cancel(
    state: GridState, lattice: Lattice, market: Market, slot: Slot, order: SlotOrder
) -> str | None:
    if not is_working(order):
        return None
    if order.opens:
        return _reason_to_cancel_opening(state, lattice, market, slot, order)
    if slot.held * order.side.sign >= 0:
        return "nothing left to close"
    if order.quantity - order.traded_quantity > abs(slot.held):
        return "more than is left to close"
    if not _is_closing_in_window(state, slot):
        return "outside the window"
    return None


def _reason_to_cancel_opening(
    state: GridState, lattice: Lattice, market: Market, slot: Slot, order: SlotOrder
) -> str | None:
    guard = stopped_by(state)
    if guard is not None:
        return guard.replace("_", " ")
    if slot.level % state.stride:
        return "between the levels in use"
    # Only the far edge: an order that the price has come to is about to be filled.
    window = windows(state)
    beyond = (state.center - slot.level) if order.side is Side.BUY else (slot.level - state.center)
    if beyond > (window.buy if order.side is Side.BUY else window.sell) * state.stride:
        return "outside the window"
    if slot.held and market.time > order.traded_time:
        closing = _closing(state, lattice, slot)
        is_reached = (market.price - closing.price) * closing.side.sign <= 0
        if is_reached and not _is_below_minimum(state.instrument, closing):
            return "the price to close at is reached"
    return None


def _would_cross(quote: Quote, market: Market) -> bool:
    if quote.side is Side.BUY:
        return 0 < market.ask <= quote.price
    return market.bid >= quote.price


def _is_below_minimum(instrument: Instrument, quote: Quote) -> bool:
    return (
        quote.quantity <= 0
        or quote.quantity < instrument.minimum_quantity
        or quote.quantity * quote.price < instrument.minimum_notional
    )


def _nearest_first(quotes: list[Quote], market: Market) -> list[Quote]:
    return sorted(quotes, key=lambda quote: (abs(quote.price - market.price), quote.level))


def _quota(state: GridState) -> int:
    live = sum(slot.order is not None and slot.order.ended is None for slot in state.slots.values())
    return max(0, state.settings.order_cleanup_threshold - live)


def is_reduce_only(state: GridState, quote: Quote) -> bool:
    """Tell whether an order may be sent as one that only reduces the position; spot has no such orders.

    The venue nets what the slots hold: where one slot's long stands against another's short there is less to reduce than
    the slots want to close, and a reduce-only order would be refused, or expire. Such a one goes as a plain order.
    Another's position is netted as well: it may take away from what can be reduced, and as it may go at any time, it is
    not relied upon to add to it.
    """
    if quote.opens or state.instrument.kind is not InstrumentKind.LINEAR_PERPETUAL:
        return False
    closing = sum(
        (
            slot.order.quantity - slot.order.traded_quantity
            for slot in state.slots.values()
            if slot.order is not None and not slot.order.opens and slot.order.side is quote.side
        ),
        Decimal(0),
    )
    ours = state.accounts.position
    reducible = min(-quote.side.sign * each for each in (ours, ours + state.foreign_position))
    return closing + quote.quantity <= reducible
