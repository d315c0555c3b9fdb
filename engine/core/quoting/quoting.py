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
from engine.core.guards import margin_lock, max_position
from engine.core.guards.circuit_breaker import is_half_open, windows
from engine.core.orders.price_lattice import Lattice
from engine.core.orders.slots import is_working
from engine.core.quoting.cancels import Cancel, cancel_of
from engine.core.quoting.closings import closing_lines, closings
from engine.core.quoting.order_cleanup import select_cleanup
from engine.core.quoting.position_room import Room, WaitingOrder, beyond_limit
from engine.core.quoting.quotes import (
    Market,
    Quote,
    bounded,
    closing_quote,
    is_below_minimum,
    is_closable,
    is_dust,
    market_in,
)
from engine.core.quoting.volatility import order_amount
from schemas.grid.state import GridState, Slot
from schemas.grid.view import NotQuoting
from schemas.units import ZERO, Price, Side, TimeNs
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.order_ids import MAX_LEVEL

MIN_DISTANCE_RATIO = Decimal("0.1")
"""A level nearer to the price than this ratio of the interval is not opened."""

BLOCKERS = (
    NotQuoting.MAX_POSITION,
    NotQuoting.MARGIN_LOCKED,
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


def plan(state: GridState, lattice: Lattice, market: Market, now: TimeNs) -> Plan:
    """Return the order changes for a state that is centered at the market."""
    cancels = []
    closing, depends_on_price = closings(state, lattice, market, now)
    lines = closing_lines(state, lattice)
    for level in sorted(state.slots):
        slot = state.slots[level]
        if slot.order is not None:
            depends_on_price |= slot.order.opens and bool(slot.held) and is_working(slot.order)
            found = cancel_of(state, lattice, market, slot, slot.order, lines)
            if found is not None:
                cancels.append(found)
    if instrument.blocked_by(state) is not None:
        return Plan(cancels, [], depends_on_price=False)
    free = list(openings(state, lattice, market, now)) if blocked_by(state) is None else []
    depends_on_price |= any(each.blocker in PRICE_BLOCKERS for each in free)
    opening = [each.quote for each in free if each.blocker is None]
    quotes = _nearest_first(closing, market) + _nearest_first(opening, market)
    cancels += _beyond_limit(state, free, cancels)
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
    amount, room, lines = order_amount(state), Room(state), closing_lines(state, lattice)
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
        blocker = _blocker(state, lattice, market, now, quote, slot)
        if blocker is None and (side, price) in lines:
            blocker = NotQuoting.WINDOW_FULL
        if blocker is None and not room.take(side, quote.price * quote.quantity):
            blocker = NotQuoting.MAX_POSITION
        yield Opening(quote, blocker)


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


def is_near(lattice: Lattice, level: int, price: Price, stride: int = 1) -> bool:
    """Return whether a level is too near to the price to be opened."""
    return abs(lattice.price(level) - price) < MIN_DISTANCE_RATIO * lattice.spacing(level, stride)


def _beyond_limit(state: GridState, free: list[Opening], cancels: list[Cancel]) -> list[Cancel]:
    waiting = [
        WaitingOrder(each.quote.level, each.quote.side, each.quote.price * each.quote.quantity)
        for each in free
        if each.blocker in {None, NotQuoting.MAX_POSITION}
    ]
    return [
        Cancel(
            order,
            DecisionReason.MAX_POSITION,
            figures(
                held_quote=max_position.held(state, order.side), limit=max_position.maximum(state, order.side)
            ),
        )
        for order in beyond_limit(state, waiting, [each.order for each in cancels])
    ]


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
    if margin_lock.is_locked(state, quote.side):
        return NotQuoting.MARGIN_LOCKED
    return _price_blocker(state, lattice, market, quote)


def _price_blocker(state: GridState, lattice: Lattice, market: Market, quote: Quote) -> NotQuoting | None:
    if bounded(state.settings, quote.price) != quote.price or abs(quote.level) > MAX_LEVEL:
        return NotQuoting.OUT_OF_BOUNDS
    if is_below_minimum(state.instrument, quote):
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
    is_small = not is_closable(state, closing_quote(state, lattice, slot))
    return is_small and (slot.held * side.sign > 0 or is_dust(state.instrument, slot.held))


def _reason_to_open(state: GridState, slot: Slot | None) -> DecisionReason:
    if slot is not None and slot.held:
        return DecisionReason.TOP_UP_LEVEL
    return DecisionReason.OPEN_TRIAL_LEVEL if is_half_open(state) else DecisionReason.OPEN_LEVEL


def _would_cross(quote: Quote, market: Market) -> bool:
    if quote.side is Side.BUY:
        return 0 < market.ask <= quote.price
    return market.bid >= quote.price


def _nearest_first(quotes: list[Quote], market: Market) -> list[Quote]:
    return sorted(quotes, key=lambda quote: (abs(quote.price - market.price), quote.level))


def _quota(state: GridState) -> int:
    live = sum(slot.order is not None and slot.order.ended is None for slot in state.slots.values())
    return max(0, state.settings.order_cleanup_threshold - live)
