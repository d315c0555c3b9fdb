"""The end of an engine that no other takes over from: what it has out is canceled, and the next one places it again."""

from engine.core.step import Draft
from schemas.engine.journal import EngineStarted, EngineStopping


def on_engine(draft: Draft, event: EngineStarted | EngineStopping) -> bool:
    """Place nothing from an engine's end, where `cancel_on_exit` says so, to the next one's start; tell what is new."""
    state = draft.state
    was_exiting = state.exiting
    state.exiting = isinstance(event, EngineStopping) and (was_exiting or state.settings.cancel_on_exit)
    return state.exiting is not was_exiting
