"""Stops of a whole grid at a loss, a profit, a price or a drawdown; its position is closed, or kept as the setting says."""

from typing import NamedTuple

from engine.core.arithmetic import total_profit
from engine.core.commands.halt import start_flattening
from engine.core.decisions import figures
from engine.core.guards import drawdown
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.settings import GridSettings, OnDrawdown
from schemas.grid.state import GridState, Halt
from schemas.units import Figures, Price, TimeNs


class Stop(NamedTuple):
    """A stop that was reached."""

    name: str
    """The setting: `stop_loss`, `take_profit`, `stop_below_price`, `stop_above_price` or `max_drawdown`."""
    details: str
    figures: Figures
    flattens: bool = True
    """Whether the position is closed."""


def check(draft: Draft) -> None:
    """Flatten the grid when a stop is reached, unless it is halted already."""
    state = draft.state
    if draft.stop_price is None or state.halt is not None:
        return
    stop = reached(state, state.settings, draft.stop_price, draft.time)
    if stop is None:
        return
    draft.risk(Severity.CRITICAL, stop.name, stop.details, stop.figures, active=True)
    halt = Halt(reason=f"{stop.name.replace('_', ' ')}: {stop.details}", guard=stop.name)
    if stop.flattens:
        start_flattening(draft, halt)
    else:
        state.halt = halt


def reached(state: GridState, settings: GridSettings, price: Price, now: TimeNs) -> Stop | None:
    """Return the stop of `settings` that a grid has reached at a price, None without one."""
    return _reached(state, settings, price) or _drawdown(state, settings, price, now)


def _drawdown(state: GridState, settings: GridSettings, price: Price, now: TimeNs) -> Stop | None:
    if settings.on_drawdown is OnDrawdown.PAUSE:
        return None
    found = drawdown.excess(state, price, now)
    flattens = settings.on_drawdown is OnDrawdown.FLATTEN
    return found and Stop("max_drawdown", drawdown.text(found), drawdown.figures_of(found), flattens)


def _reached(state: GridState, settings: GridSettings, price: Price) -> Stop | None:
    profit, quote = total_profit(state.accounts, price), state.instrument.quote
    total = f"total profit {profit:f} {quote}"
    if settings.stop_loss > 0 and profit <= -settings.stop_loss:
        found = figures(total_profit=profit, limit=-settings.stop_loss, price=price)
        return Stop("stop_loss", f"{total} at {price:f}, the limit is -{settings.stop_loss:f}", found)
    if settings.take_profit > 0 and profit >= settings.take_profit:
        found = figures(total_profit=profit, limit=settings.take_profit, price=price)
        return Stop("take_profit", f"{total} at {price:f}, the target is {settings.take_profit:f}", found)
    below, above = settings.stop_below_price, settings.stop_above_price
    if below is not None and price <= below:
        found = figures(price=price, limit=below, total_profit=profit)
        return Stop("stop_below_price", f"price {price:f}, the limit is {below:f}; {total}", found)
    if above is not None and price >= above:
        found = figures(price=price, limit=above, total_profit=profit)
        return Stop("stop_above_price", f"price {price:f}, the limit is {above:f}; {total}", found)
    return None


def is_set(state: GridState) -> bool:
    """Return whether any tick may reach a stop."""
    settings = state.settings
    prices = (settings.stop_below_price, settings.stop_above_price)
    has_stop = settings.stop_loss > 0 or settings.take_profit > 0 or any(each is not None for each in prices)
    return has_stop and state.halt is None
