"""Inventory skew: shift the grid against its inventory.

The grid is centered at the reference price `price * (1 - inventory * inventory_skew)`. The inventory is the position's
value as a ratio of a full window's, in [-1, 1]: long inventory moves the grid down, short inventory up.
"""

from decimal import Decimal

from engine.core.arithmetic import CONTEXT
from engine.core.guards.circuit_breaker import full_window
from schemas.grid.state import GridState
from schemas.units import Price, Ratio

FULL = Decimal(1)


def inventory(state: GridState, price: Price) -> Ratio:
    """Return the position's value as a ratio of a full window's, in [-1, 1]."""
    share = CONTEXT.divide(CONTEXT.multiply(state.accounts.position, price), full_window(state))
    return max(-FULL, min(FULL, share))


def is_skewed(state: GridState) -> bool:
    """Return whether the reference price differs from the market price."""
    return bool(state.settings.inventory_skew and state.accounts.position)


def reference(state: GridState, price: Price) -> Price:
    """Return the price that the grid is centered at, computed in `CONTEXT` whatever the caller's context is."""
    if not is_skewed(state):
        return price
    shift = CONTEXT.multiply(inventory(state, price), state.settings.inventory_skew)
    return CONTEXT.multiply(price, CONTEXT.subtract(FULL, shift))
