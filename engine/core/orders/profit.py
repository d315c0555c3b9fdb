"""What a grid made in all, at a price."""

from schemas.grid.state import GridState
from schemas.units import Money, Price


def total(state: GridState, price: Price) -> Money:
    """Return what closing everything at a price, without a fee, would leave since the start."""
    accounts = state.accounts
    return accounts.cash + accounts.position * price - accounts.fees + accounts.funding
