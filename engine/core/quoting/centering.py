"""The center of the window and the stride, with hysteresis: a price that trembles between two levels moves nothing."""

from typing import NamedTuple

from engine.core.orders.price_lattice import Lattice
from engine.core.quoting import inventory_skew, volatility
from engine.core.quoting.quotes import Market, bounded
from engine.core.step import Draft
from schemas.grid.state import GridState


class Centers(NamedTuple):
    """The levels that the windows are around, and the distance of the levels in use."""

    center: int
    closing_center: int | None
    """That of closing orders where an inventory skew moves the other one, else None."""
    stride: int


def first_centers(state: GridState, lattice: Lattice, market: Market) -> Centers:
    """Return the centers at the first price."""
    stride = volatility.stride(state, lattice)
    return Centers(lattice.nearest(bounded(state.settings, market.price), stride), None, stride)


def centers(draft: Draft, lattice: Lattice, market: Market) -> Centers:
    """Return the centers at a price: the present ones while the price is within `recenter_distance` of them."""
    state, settings = draft.state, draft.state.settings
    stride, distance = volatility.confirmed_stride(draft, lattice), settings.recenter_distance
    reference = bounded(settings, inventory_skew.reference(state, market.price))
    center = lattice.moved(state.center, reference, stride, distance)
    if not settings.inventory_skew:
        return Centers(center, None, stride)
    before = state.center if state.closing_center is None else state.closing_center
    return Centers(center, lattice.moved(before, bounded(settings, market.price), stride, distance), stride)
