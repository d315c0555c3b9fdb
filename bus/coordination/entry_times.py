"""Readings of the bus's clock: when the entries were stored that this process sent."""

from collections.abc import Callable
from typing import NamedTuple

from schemas.units import TimeNs

OnReading = Callable[[TimeNs, TimeNs, TimeNs], object]
"""Gets the times of request and answer by this process's clock, with that of the bus in between: sent, bus, answered."""


class _Sent(NamedTuple):
    revision: int
    sent: TimeNs
    answered: TimeNs


class EntryTimes:
    """Joins what was sent with what was received of it: the answer to a write does not tell when it was stored."""

    def __init__(self) -> None:
        self.on_reading: OnReading = lambda *_: None
        self._sent: _Sent | None = None
        self._stored: tuple[int, TimeNs] | None = None

    def on_answer(self, revision: int, sent: TimeNs, answered: TimeNs) -> None:
        """Record that an entry was stored with a revision."""
        self._sent = _Sent(revision, sent, answered)
        self._join()

    def on_entry(self, revision: int, stored: TimeNs) -> None:
        """Record that the entry with a revision was received, and when the bus stored it."""
        self._stored = revision, stored
        self._join()

    def _join(self) -> None:
        if self._sent is not None and self._stored is not None and self._sent.revision == self._stored[0]:
            sent, (_, stored) = self._sent, self._stored
            self._sent = self._stored = None
            self.on_reading(sent.sent, stored, sent.answered)
