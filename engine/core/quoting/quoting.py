"""Quoting: compare the orders a grid should have with those it has, and plan cancels and new orders.

Functions of the state, the market and the time alone. Planning again is harmless: orders that are already placed or being
canceled are part of the state.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from engine.core import instrument
from engine.core.blocking import blocked_by
from engine.core.decisions import figures
from engine.core.guards.circuit_breaker import is_half_open, windows
from engine.core.orders.price_lattice import Lattice
from engine.core.orders.slots import is_working
from engine.core.quoting.order_cleanup import select_cleanup
from engine.core.quoting.volatility import order_amount
from schemas.grid.settings import GridSettings
from schemas.grid.state import GridState, Slot, SlotOrder
from schemas.grid.view import NotQuoting
from schemas.units import ZERO, Figures, Price, Quantity, Side, TimeNs
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.market import Ticker

MIN_DISTANCE_RATIO = Decimal("0.1")
"""A level nearer to the price than this ratio of the interval is not opened."""

BLOCKERS = (
    NotQuoting.BELOW_MINIMUM,
    NotQuoting.ABOVE_MAXIMUM,
    NotQuoting.EXPOSURE_LIMIT,
    NotQuoting.COOL_DOWN,
    NotQuoting.WOULD_CROSS,
    NotQuoting.AWAITING_VENUE,
    NotQuoting.WINDOW_FULL,
    NotQuoting.OUTSIDE_PRICE_BAND,
    NotQuoting.OUT_OF_BOUNDS,
)
"""Reasons that block the opening order of a single level. With several, the first is the published reason."""

PRICE_BLOCKERS = frozenset({NotQuoting.WOULD_CROSS, NotQuoting.OUTSIDE_PRICE_BAND})
"""Those that any tick may clear."""


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


class Cancel(NamedTuple):
    """An order to cancel, the reason, and the figures behind it."""

    order: SlotOrder
    reason: DecisionReason
    figures: Figures | None = None


class Opening(NamedTuple):
    """A level of the window without an opening order: the order it could have, and what blocks it."""

    quote: Quote
    blocker: NotQuoting | None


class Plan(NamedTuple):
    """The order changes of a step."""

    cancels: list[Cancel]
    quotes: list[Quote]
    """Orders to place: closing orders first, then the nearest to the price."""
    depends_on_price: bool
    """The plan may change with any tick, even while the center stays."""


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


def plan(state: GridState, lattice: Lattice, market: Market, now: TimeNs) -> Plan:
    """Return the order changes for a state that is centered at the market."""
    cancels = []
    closings = []
    depends_on_price = False
    for level in sorted(state.slots):
        slot = state.slots[level]
        if slot.order is not None:
            depends_on_price |= slot.order.opens and bool(slot.held) and is_working(slot.order)
            found = _cancel_of(state, lattice, market, slot, slot.order)
            if found is not None:
                cancels.append(found)
        elif slot.held and slot.quiet_until <= now and _is_closing_in_window(state, slot):
            quote = _closing(state, lattice, slot)
            is_accepted = state.instrument.accepts_price(quote.side, quote.price, market.price)
            depends_on_price |= not is_accepted
            if is_accepted and not _is_below_minimum(state.instrument, quote):
                closings.append(quote)
    if instrument.blocked_by(state) is not None:
        return Plan(cancels, [], depends_on_price=False)
    free = list(openings(state, lattice, market, now)) if blocked_by(state) is None else []
    depends_on_price |= any(each.blocker in PRICE_BLOCKERS for each in free)
    opening = [each.quote for each in free if each.blocker is None]
    quotes = _nearest_first(closings, market) + _nearest_first(opening, market)
    quota = _quota(state)
    waiting = [abs(quote.price - market.price) if quote.opens else ZERO for quote in quotes[quota:]]
    depends_on_price |= bool(waiting)
    if not cancels:
        cancels = [
            Cancel(
                order,
                DecisionReason.ROOM_FOR_NEARER,
                figures(
                    distance=abs(order.price - market.price),
                    waiting_orders=len(waiting),
                    limit=state.settings.order_cleanup_threshold,
                ),
            )
            for order in select_cleanup(state, market.price, waiting)
        ]
    return Plan(cancels, quotes[:quota], depends_on_price)


def openings(state: GridState, lattice: Lattice, market: Market, now: TimeNs) -> Iterator[Opening]:
    """Yield the levels of the window without a working opening order, buys before sells, nearest first."""
    amount = order_amount(state)
    for level, side in _window(state):
        slot = state.slots.get(level)
        order = slot.order if slot else None
        if order is not None and order.opens and is_working(order):
            continue
        is_taker = (
            state.settings.allow_taker
            and slot is not None
            and slot.rejections >= state.settings.post_only_retries
        )
        price = lattice.order_price(level, side)
        quantity = state.instrument.quantity_down(amount / price) if price > 0 else ZERO
        quote = Quote(
            level,
            side,
            price,
            quantity,
            opens=True,
            post_only=not is_taker,
            reason=_reason_to_open(state, slot),
        )
        yield Opening(quote, _blocker(state, lattice, market, now, quote, slot))


def why_not(state: GridState, lattice: Lattice | None) -> NotQuoting | None:
    """Return the one reason why no opening order is live, None when one is."""
    market = market_in(state)
    if lattice is None or market is None:
        return NotQuoting.NO_PRICE
    orders = [slot.order for slot in state.slots.values() if slot.order]
    if any(order.opens and is_working(order) for order in orders):
        return None
    if state.resync is not None:
        return NotQuoting.RESYNCING
    guard = blocked_by(state)
    if guard is not None:
        return guard
    blockers = {each.blocker for each in openings(state, lattice, market, state.time)}
    if None in blockers:
        return NotQuoting.QUOTA
    return next((each for each in BLOCKERS if each in blockers), NotQuoting.BREAKER_HALF_OPEN)


def bounded(settings: GridSettings, price: Price) -> Price:
    """Return a price clamped to `lower_price` and `upper_price`."""
    if settings.lower_price is not None:
        price = max(price, settings.lower_price)
    return price if settings.upper_price is None else min(price, settings.upper_price)


def is_near(lattice: Lattice, level: int, price: Price, stride: int = 1) -> bool:
    """Return whether a level is too near to the price to be opened."""
    return abs(lattice.price(level) - price) < MIN_DISTANCE_RATIO * lattice.spacing(level, stride)


def _window(state: GridState) -> Iterator[tuple[int, Side]]:
    center, stride, window = state.center, state.stride, windows(state)
    for distance in range(1, window.buy + 1):
        yield center - distance * stride, Side.BUY
    for distance in range(1, window.sell + 1):
        yield center + distance * stride, Side.SELL


def _blocker(
    state: GridState, lattice: Lattice, market: Market, now: TimeNs, quote: Quote, slot: Slot | None
) -> NotQuoting | None:
    if slot is not None:
        if slot.order is not None:
            return NotQuoting.AWAITING_VENUE if slot.order.opens else NotQuoting.WINDOW_FULL
        if slot.held and not _may_add(state, lattice, slot, quote.side):
            return NotQuoting.WINDOW_FULL
        if slot.quiet_until > now:
            return NotQuoting.EXPOSURE_LIMIT if slot.is_limited else NotQuoting.COOL_DOWN
    return _price_blocker(state, lattice, market, quote)


def _price_blocker(state: GridState, lattice: Lattice, market: Market, quote: Quote) -> NotQuoting | None:
    if bounded(state.settings, quote.price) != quote.price:
        return NotQuoting.OUT_OF_BOUNDS
    if _is_below_minimum(state.instrument, quote):
        return NotQuoting.BELOW_MINIMUM
    if state.instrument.is_above_maximum(quote.quantity, quote.price):
        return NotQuoting.ABOVE_MAXIMUM
    if not state.instrument.accepts_price(quote.side, quote.price, market.price):
        return NotQuoting.OUTSIDE_PRICE_BAND
    if is_near(lattice, quote.level, market.price, state.stride) or (
        quote.post_only and _would_cross(quote, market)
    ):
        return NotQuoting.WOULD_CROSS
    return None


def _may_add(state: GridState, lattice: Lattice, slot: Slot, side: Side) -> bool:
    # A quantity below the minimum is added to, so that it can be closed with the addition.
    is_dust = _is_below_minimum(state.instrument, _closing(state, lattice, slot))
    return is_dust and slot.held * side.sign > 0


def _closing(state: GridState, lattice: Lattice, slot: Slot) -> Quote:
    side = Side.SELL if slot.held > 0 else Side.BUY
    price = lattice.order_price(_closing_level(state, slot), side)
    quantity = state.instrument.order_quantity(abs(slot.held), price)
    return Quote(
        slot.level,
        side,
        price,
        quantity,
        opens=False,
        post_only=False,
        reason=DecisionReason.CLOSE_LEVEL,
    )


def _reason_to_open(state: GridState, slot: Slot | None) -> DecisionReason:
    if slot is not None and slot.held:
        return DecisionReason.TOP_UP_LEVEL
    return DecisionReason.OPEN_TRIAL_LEVEL if is_half_open(state) else DecisionReason.OPEN_LEVEL


def _closing_level(state: GridState, slot: Slot) -> int:
    return slot.level + (state.stride if slot.held > 0 else -state.stride)


def _is_closing_in_window(state: GridState, slot: Slot) -> bool:
    level = _closing_level(state, slot)
    if slot.held > 0:
        return level <= state.center + state.settings.sell_window * state.stride
    return level >= state.center - state.settings.buy_window * state.stride


def _cancel_of(
    state: GridState, lattice: Lattice, market: Market, slot: Slot, order: SlotOrder
) -> Cancel | None:
    if not is_working(order):
        return None
    if order.opens:
        return _cancel_of_opening(state, lattice, market, slot, order)
    left = order.quantity - order.traded_quantity
    if slot.held * order.side.sign >= 0:
        return Cancel(order, DecisionReason.NOTHING_LEFT_TO_CLOSE)
    if left > abs(slot.held):
        found = figures(order_left_base=left, held_base=abs(slot.held))
        return Cancel(order, DecisionReason.MORE_THAN_IS_LEFT, found)
    if not _is_closing_in_window(state, slot):
        return Cancel(order, DecisionReason.OUTSIDE_WINDOW, figures(center=state.center))
    return None


def _cancel_of_opening(
    state: GridState, lattice: Lattice, market: Market, slot: Slot, order: SlotOrder
) -> Cancel | None:
    guard = blocked_by(state)
    if guard is not None:
        return Cancel(order, DecisionReason(guard.value))
    if slot.level % state.stride:
        return Cancel(order, DecisionReason.BETWEEN_LEVELS, figures(stride=state.stride))
    # Only beyond the far edge: an order that the price has reached is about to be filled.
    window = windows(state)
    beyond = (state.center - slot.level) if order.side is Side.BUY else (slot.level - state.center)
    levels = window.buy if order.side is Side.BUY else window.sell
    if beyond > levels * state.stride:
        return Cancel(order, DecisionReason.OUTSIDE_WINDOW, figures(center=state.center, levels=levels))
    if slot.held and market.time > order.traded_time:
        closing = _closing(state, lattice, slot)
        is_reached = (market.price - closing.price) * closing.side.sign <= 0
        if is_reached and not _is_below_minimum(state.instrument, closing):
            found = figures(price=market.price, close_price=closing.price)
            return Cancel(order, DecisionReason.CLOSE_PRICE_REACHED, found)
    return None


def _would_cross(quote: Quote, market: Market) -> bool:
    if quote.side is Side.BUY:
        return 0 < market.ask <= quote.price
    return market.bid >= quote.price


def _is_below_minimum(rules: Instrument, quote: Quote) -> bool:
    return (
        quote.quantity <= 0
        or quote.quantity < rules.minimum_quantity
        or quote.quantity * quote.price < rules.minimum_notional
    )


def _nearest_first(quotes: list[Quote], market: Market) -> list[Quote]:
    return sorted(quotes, key=lambda quote: (abs(quote.price - market.price), quote.level))


def _quota(state: GridState) -> int:
    live = sum(slot.order is not None and slot.order.ended is None for slot in state.slots.values())
    return max(0, state.settings.order_cleanup_threshold - live)


def is_reduce_only(state: GridState, quote: Quote) -> bool:
    """Return whether an order can be sent as reduce-only; spot has no such orders.

    The venue nets the slots: where one holds long and another short, the net position is smaller than what the slots close,
    and a reduce-only order would be rejected or expire. Such an order is sent as a plain one. A foreign position is netted
    as well. It may reduce what can be closed, but is not relied upon to increase it, because it may vanish at any time.
    """
    if quote.opens or state.instrument.kind is not InstrumentKind.LINEAR_PERPETUAL:
        return False
    closing = sum(
        (
            slot.order.quantity - slot.order.traded_quantity
            for slot in state.slots.values()
            if slot.order is not None and not slot.order.opens and slot.order.side is quote.side
        ),
        ZERO,
    )
    ours = state.accounts.position
    reducible = min(-quote.side.sign * each for each in (ours, ours + state.foreign_position))
    return closing + quote.quantity <= reducible
