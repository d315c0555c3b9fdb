"""The stops of a whole grid: a loss, a profit or a price at which its position is closed and it stays stopped."""

from typing import NamedTuple

from engine.core.commands.halt import flatten
from engine.core.orders.profit import total
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.state import GridState
from schemas.units import Price


class Stop(NamedTuple):
    """A stop that is reached."""

    name: str
    """Of the setting."""
    details: str


def look(draft: Draft) -> bool:
    """Stop the grid where a stop is reached, once, and tell whether it was."""
    state = draft.state
    if draft.price is None or state.halt is not None:
        return False
    stop = reached(state, draft.price)
    if stop is None:
        return False
    draft.risk(Severity.CRITICAL, stop.name, stop.details, active=True)
    flatten(draft, f"{stop.name.replace('_', ' ')}: {stop.details}", guard=stop.name)
    return True


def reached(state: GridState, price: Price) -> Stop | None:
    """Return the stop that a price reaches, None where there is none."""
    settings, profit, quote = state.settings, total(state, price), state.instrument.quote
    if 0 < settings.stop_loss <= -profit:
        return Stop("stop_loss", f"the total is {profit} {quote} at {price}, the limit -{settings.stop_loss}")
    if 0 < settings.take_profit <= profit:
        return Stop(
            "take_profit", f"the total is {profit} {quote} at {price}, the aim {settings.take_profit}"
        )
    below, above = settings.stop_below_price, settings.stop_above_price
    if below is not None and price <= below:
        return Stop(
            "stop_below_price", f"the price is {price}, the limit {below}; the total is {profit} {quote}"
        )
    if above is not None and price >= above:
        return Stop(
            "stop_above_price", f"the price is {price}, the limit {above}; the total is {profit} {quote}"
        )
    return None


def is_set(state: GridState) -> bool:
    """Tell whether any tick may reach a stop."""
    settings = state.settings
    prices = (settings.stop_below_price, settings.stop_above_price)
    has_stop = settings.stop_loss > 0 or settings.take_profit > 0 or any(each is not None for each in prices)
    return has_stop and state.halt is None
