"""Settings changed while a grid runs: all of those asked for, or none."""

from collections.abc import Mapping

from engine.core.settings_checks import check
from engine.core.step import Draft
from schemas.engine.control import CommandOutcome
from schemas.grid import tuning

Answer = tuple[CommandOutcome, str]


def change(draft: Draft, changes: Mapping[str, str]) -> Answer:
    """Change settings that are written as in a configuration, and tell what became of each; mistakes change nothing."""
    state = draft.state
    before, quote = state.settings, state.instrument.quote
    after = before
    mistakes = [] if changes else ["it names no setting"]
    for name, text in changes.items():
        try:
            after = tuning.changed(after, name, text, quote)
        except ValueError as error:
            mistakes.append(f"{name} {error}")
    if mistakes:
        return CommandOutcome.REFUSED, f"{'; '.join(mistakes)}; what may change: {', '.join(tuning.live())}"
    known = check(before, state.instrument, draft.price)
    new = [each for each in check(after, state.instrument, draft.price) if each not in known]
    if new:
        return CommandOutcome.REFUSED, "; ".join(new)
    if after == before:
        return CommandOutcome.UNCHANGED, "it is so already"
    state.settings = after
    told = (
        f"{name} {tuning.shown(before, name, quote)} -> {tuning.shown(after, name, quote)}"
        for name in changes
    )
    return CommandOutcome.APPLIED, "; ".join(told)
