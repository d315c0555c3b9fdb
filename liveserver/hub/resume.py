"""One viewer on its way back: from where it was to the live tail, in pieces that it can take. Pure."""

from collections.abc import Collection, Iterable
from enum import Enum, auto
from typing import NamedTuple

from liveserver.protocol.cursors import Position, Positions, Reason
from liveserver.protocol.symbol_names import Market
from liveserver.view.event_log import Entry, EventLog

PIECE = 200
"""Events that a returning viewer is handed at once."""


class Anew(NamedTuple):
    """It has to start with a snapshot."""

    reason: Reason


class Piece(NamedTuple):
    """What it is to be handed next."""

    entries: list[Entry]
    is_last: bool
    """Nothing was missed behind these: it may take its seat, before anything else happens."""


class Wait(Enum):
    """Why it cannot go on yet."""

    VIEW = auto()
    """Nothing is known here yet."""
    BEHIND = auto()
    """It has heard more elsewhere than is known here."""
    OLDER = auto()
    """It needs events that only the bus has."""
    ROOM = auto()
    """There is more, once its connection takes it."""


class Returning:
    """How far a viewer has got."""

    def __init__(self, positions: Positions) -> None:
        self.positions = dict(positions)
        self.is_told = False
        """It knows that it is resumed."""

    def next(self, log: EventLog, topics: Collection[tuple[Market, str]]) -> Anew | Piece | Wait:
        """Return what is to be done next."""
        if (reason := log.why_anew(self.positions)) is not None:
            return Anew(reason)
        if log.is_behind(self.positions):
            return Wait.BEHIND
        if log.too_old(self.positions):
            return Wait.OLDER
        missing = log.missing(self.positions, topics)
        return Piece(missing[:PIECE], is_last=len(missing) <= PIECE)

    def took(self, entries: Iterable[Entry]) -> None:
        """Hear that it was handed these."""
        for entry in entries:
            self.passed(entry.stream, entry.sequence)

    def passed(self, stream: str, sequence: int) -> None:
        """Hear that it misses nothing of a stream up to there."""
        position = self.positions[stream]
        if sequence > position.sequence:
            self.positions[stream] = Position(position.created, sequence)
