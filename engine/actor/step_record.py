"""Builds the record of a step: the change, the state, and the stored messages that made it."""

from collections.abc import Sequence
from typing import NamedTuple

from engine.core.step import Change
from engine.core.view import risk_summary
from schemas.engine.journal import Input, MessageRef, Step, StreamOffset
from schemas.formats import MINIMUM_READER, STATE_VERSION
from schemas.grid.state import GridState
from schemas.venue.orders import RecordRef


class Context(NamedTuple):
    """What a record has beside the change and the state."""

    epoch: int
    offsets: dict[str, StreamOffset]
    published_through: int
    intent: RecordRef | None


class AppliedInput(NamedTuple):
    """A durable input that was applied."""

    event: Input
    message: MessageRef
    trace: str
    """The traceparent of the message; empty without one."""


class AppliedInputs:
    """The durable inputs applied since the last commit."""

    def __init__(self) -> None:
        self._applied: list[AppliedInput] = []

    def add(self, applied: AppliedInput) -> None:
        """Add a durable input that is about to be applied."""
        self._applied.append(applied)

    def take(self, causes: tuple[Input, ...]) -> list[AppliedInput]:
        """Return those inputs that became causes, in order, and forget all."""
        made = {id(cause) for cause in causes}
        taken = [each for each in self._applied if id(each.event) in made]
        self._applied.clear()
        return taken


def step_record(change: Change, state: GridState, context: Context, inputs: Sequence[AppliedInput]) -> Step:
    """Return the record of a change; it shares the state with the grid."""
    return Step(
        venue=state.venue,
        symbol=state.symbol,
        step=change.step,
        epoch=context.epoch,
        offsets=context.offsets,
        causes=change.causes,
        state=state,
        decisions=change.decisions,
        fills=change.fills,
        notices=change.notices,
        published_through=context.published_through,
        time=change.time,
        state_version=STATE_VERSION,
        minimum_reader=MINIMUM_READER,
        boundaries=change.boundaries,
        inputs=tuple(each.message for each in inputs),
        risk=risk_summary(state),
        intent=context.intent,
        trace=inputs[0].trace if len(inputs) == 1 else "",
    )
