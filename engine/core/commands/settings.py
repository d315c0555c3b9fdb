"""Change settings of a running grid: all changes of a command, or none."""

from collections.abc import Mapping

from engine.core.commands.answers import Answer
from engine.core.settings_checks import check
from engine.core.step import Draft
from schemas.engine.control import CommandOutcome
from schemas.grid.settings_notation import live_settings, setting_text, with_setting


def change(draft: Draft, changes: Mapping[str, str]) -> Answer:
    """Apply changes written as in a configuration, such as `{"order_amount": "40 USDT"}`; a new mistake rejects all.

    Mistakes that the settings had before, for example at a changed price, do not prevent a change.
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
        return (
            CommandOutcome.REFUSED,
            f"{'; '.join(mistakes)}; settings that can be changed: {', '.join(live_settings())}",
        )
    old_mistakes = check(before, state.instrument, draft.price)
    new_mistakes = [each for each in check(after, state.instrument, draft.price) if each not in old_mistakes]
    if new_mistakes:
        return CommandOutcome.REFUSED, "; ".join(new_mistakes)
    if after == before:
        return CommandOutcome.UNCHANGED, "the settings already have these values"
    state.settings = after
    applied = (
        f"{name} {setting_text(before, name, quote)} -> {setting_text(after, name, quote)}"
        for name in changes
    )
    return CommandOutcome.APPLIED, "; ".join(applied)
