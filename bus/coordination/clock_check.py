"""Whether the wall clock of this process agrees with another clock, judged by readings of that one."""

from typing import NamedTuple

from schemas.units import SECOND_NS, DurationNs, TimeNs

MAX_READING_NS: DurationNs = SECOND_NS
"""A reading that took longer may show that clocks are apart, but not that they agree."""


class Limits(NamedTuple):
    """How far the clock may be ahead of the other one, and behind it, in nanoseconds."""

    ahead: DurationNs
    behind: DurationNs


class ClockCheck:
    """Compares the wall clock of this process with another one."""

    def __init__(self, whose: str, limits: Limits) -> None:
        """`whose` names the other clock: `of the venue sim`."""
        self.whose = whose
        self._limits = limits
        self.problem = ""
        """How far the clocks are apart, as a sentence; empty while they agree, as far as is known."""

    def on_reading(self, sent: TimeNs, other: TimeNs, answered: TimeNs) -> bool:
        """Take a reading of the other clock; return whether `problem` became empty or ceased to be.

        `sent` and `answered` are the times of request and answer by this process's clock. Clocks that agree read `other`
        in between, so what `other` lies outside of them is certain, however slow the answer was.
        """
        ahead, behind = sent - other, other - answered
        was_wrong = bool(self.problem)
        if sent > answered:
            return False  # this clock was set meanwhile
        if ahead > self._limits.ahead:
            self.problem = self._text(ahead, "ahead of")
        elif behind > self._limits.behind:
            self.problem = self._text(behind, "behind")
        elif answered - sent <= MAX_READING_NS:
            self.problem = ""
        return bool(self.problem) is not was_wrong

    def _text(self, apart: DurationNs, direction: str) -> str:
        return f"the clock of this host is {apart / SECOND_NS:.1f} s {direction} that {self.whose}"
