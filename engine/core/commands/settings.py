"""Change settings of a running grid: all changes of a command, or none."""

from collections.abc import Mapping

from engine.core.commands import grid_stops
from engine.core.commands.answers import Answer
from engine.core.settings_checks import check
from engine.core.step import Draft
from schemas.engine.control import CommandOutcome
from schemas.grid.settings import GridSettings
from schemas.grid.settings_notation import setting_text, with_setting
from schemas.units import Price


def change(draft: Draft, changes: Mapping[str, str], *, is_confirmed: bool = False) -> Answer:
    """Apply changes written as in a configuration, such as `{"order_amount": "40 USDT"}`; a new mistake rejects all.

    Mistakes that the settings had before, for example at a changed price, do not prevent a change. A stop that is reached
    already, and would flatten the grid in this step, needs a confirmation.
    """
    state = draft.state
    before, quote = state.settings, state.instrument.quote
    after = before
    mistakes = [] if changes else ["no setting given"]
    for name, text in changes.items():
        try:
            after = with_setting(after, name, text, quote)
        except ValueError as error:
            mistakes.append(f"{name} {error}")
    if mistakes:
        return CommandOutcome.REFUSED, "; ".join(mistakes)
    old_mistakes = check(before, state.instrument, draft.price)
    new_mistakes = [each for each in check(after, state.instrument, draft.price) if each not in old_mistakes]
    if new_mistakes:
        return CommandOutcome.REFUSED, "; ".join(new_mistakes)
    if after == before:
        return CommandOutcome.UNCHANGED, "the settings already have these values"
    stop = _reached_stop(draft, after)
    if stop is not None and not is_confirmed:
        effect = "It would cancel all orders and close the position at once; confirm with --yes"
        return CommandOutcome.REFUSED, f"{stop.name} is reached already: {stop.details}. {effect}"
    state.settings = after
    applied = [
        f"{name} {setting_text(before, name, quote)} -> {setting_text(after, name, quote)}"
        for name in changes
    ]
    draft.is_amount_changed |= after.order_amount != before.order_amount
    return CommandOutcome.APPLIED, "; ".join([*applied, *_warnings(before, after, draft.price)])


def _reached_stop(draft: Draft, settings: GridSettings) -> grid_stops.Stop | None:
    """Return the stop of new settings that acts at once, None without one. A halted grid is not stopped again."""
    if draft.stop_price is None or draft.state.halt is not None:
        return None
    return grid_stops.reached(draft.state, settings, draft.stop_price, draft.time)


def _warnings(before: GridSettings, after: GridSettings, price: Price | None) -> list[str]:
    """Return a note on each new bound that excludes the price."""
    warnings: list[str] = []
    if price is None:
        return warnings
    if (
        after.lower_price is not None
        and after.lower_price != before.lower_price
        and price < after.lower_price
    ):
        warnings.append(
            f"the price {price:f} is below lower_price: nothing is opened below {after.lower_price:f}"
        )
    if (
        after.upper_price is not None
        and after.upper_price != before.upper_price
        and price > after.upper_price
    ):
        warnings.append(
            f"the price {price:f} is above upper_price: nothing is opened above {after.upper_price:f}"
        )
    return warnings
