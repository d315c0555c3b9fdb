"""What a committed step says to others: copies with ids made from the step, so that a repeat is told from news."""

from typing import NamedTuple, assert_never

import msgspec

from schemas import subjects
from schemas.engine.control import CommandResult
from schemas.engine.events import AlertRaised, DecisionMade, Reconciled, RiskChanged
from schemas.engine.journal import Notice, Step


class Copy(NamedTuple):
    """One message on `engine.>` or `control.>`."""

    subject: str
    event: msgspec.Struct
    message_id: str


def copies(step: Step) -> list[Copy]:
    """Return what is published of a step, in order."""
    out = [
        _copy(
            subjects.decision(step.venue, step.symbol),
            DecisionMade(
                venue=step.venue,
                symbol=step.symbol,
                step=step.step,
                index=index,
                decision=decision,
                time=step.time,
            ),
            step,
            index,
        )
        for index, decision in enumerate(step.decisions)
    ]
    fill_subject = subjects.fill(step.venue, step.symbol)
    out += [_copy(fill_subject, fill, step, index) for index, fill in enumerate(step.fills)]
    out += [_copy(subject_of(notice), notice, step, index) for index, notice in enumerate(step.notices)]
    return out


def _copy(subject: str, event: msgspec.Struct, step: Step, index: int) -> Copy:
    return Copy(subject, event, f"{subject}.{step.step}.{index}")


def subject_of(notice: Notice) -> str:
    """Return where a notice is published."""
    match notice:
        case RiskChanged():
            return subjects.risk(notice.venue, notice.symbol)
        case Reconciled():
            return subjects.reconciliation(notice.venue, notice.symbol)
        case AlertRaised():
            return subjects.alert(notice.venue, notice.symbol)
        case CommandResult():
            return subjects.command_result(notice.venue, notice.symbol)
        case _:
            assert_never(notice)
