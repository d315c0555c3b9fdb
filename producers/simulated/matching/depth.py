"""Depth for taker orders: the levels of a book, less what the account has taken and is not yet offered again."""

from collections.abc import Iterator
from typing import NamedTuple

from producers.simulated.listing import Listing, Quote
from producers.simulated.matching.changes import TakenDepth
from schemas.units import ZERO, Price, Quantity, Side, TimeNs
from schemas.venue.instruments import floor_to


class Level(NamedTuple):
    """One price level of other participants."""

    price: Price
    quantity: Quantity


def levels(
    listing: Listing, quote: Quote, side: Side, taken: TakenDepth | None, time: TimeNs
) -> Iterator[Level]:
    """Yield what an order of `side` can take at `time`, best price first."""
    left_out = _not_refilled(listing, taken, time)
    for level in _displayed(listing, quote, side):
        skipped = min(left_out, level.quantity)
        left_out -= skipped
        if quantity := level.quantity - skipped:
            yield Level(level.price, quantity)


def with_taken(listing: Listing, taken: TakenDepth | None, quantity: Quantity, time: TimeNs) -> TakenDepth:
    """Return what is taken from a side once the account has taken `quantity` more."""
    return TakenDepth(quantity=_not_refilled(listing, taken, time) + quantity, time=time)


def _not_refilled(listing: Listing, taken: TakenDepth | None, time: TimeNs) -> Quantity:
    if taken is None:
        return ZERO
    refill = listing.book.refill
    if not refill:
        return taken.quantity
    left_ns = max(refill - (time - taken.time), 0)
    return floor_to(taken.quantity * left_ns / refill, listing.rules.lot_size)


def _displayed(listing: Listing, quote: Quote, side: Side) -> Iterator[Level]:
    rules, best = listing.rules, quote.other_side(side)
    if quote.depth is None:
        yield Level(best, max(rules.quantity_down(listing.depth_notional / best), rules.lot_size))
        return
    for number in range(quote.depth.levels):
        price = best + side.sign * number * quote.depth.step
        if price <= 0:
            return
        quantity = rules.quantity_down(quote.depth.notional_at(side.opposite, number) / price)
        yield Level(price, max(quantity, rules.lot_size))
