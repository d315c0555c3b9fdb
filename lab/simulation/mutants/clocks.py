"""Mutants of what follows from a wrong clock: leases that are kept, refused cancels that are repeated at once."""

from contextlib import AbstractContextManager

from bus.coordination.clock_guard import ClockGuard
from engine.core.orders import execution
from engine.core.step import Draft
from lab.simulation.mutants.mutant import Mutant, replaced
from schemas.units import ClientOrderId, TimeNs


def trust_own_clock() -> AbstractContextManager[None]:
    return replaced((ClockGuard, "on_reading", _ignore_reading))


def repeat_refused_cancels() -> AbstractContextManager[None]:
    def note_refusal(draft: Draft, client_order_id: ClientOrderId) -> None:
        draft.touch()

    # A gateway with a wrong clock gives its symbols up since: that mend hides the other one.
    return replaced((execution, "note_refusal", note_refusal), (ClockGuard, "on_reading", _ignore_reading))


def _ignore_reading(self: ClockGuard, sent: TimeNs, other: TimeNs, answered: TimeNs) -> None:
    pass


MUTANTS = (
    Mutant(
        "trust-own-clock",
        "A process keeps its leases although its clock differs from the venue's or the bus's.",
        trust_own_clock,
        ("clock-hour",),
    ),
    Mutant(
        "repeat-refused-cancels",
        "A cancel that the venue refuses is repeated as soon as a sweep shows the order.",
        repeat_refused_cancels,
        ("clock-hour",),
    ),
)
