"""Where a reader starts in a stream."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FromSequence:
    """Start at this sequence, which must be stored or be the next one; 0 and 1 mean the oldest message."""

    sequence: int


@dataclass(frozen=True, slots=True)
class LastPerSubject:
    """Start with the last message of each subject, then continue with all new messages."""


@dataclass(frozen=True, slots=True)
class FromStart:
    """Start with the oldest message."""


@dataclass(frozen=True, slots=True)
class FromTime:
    """Start with the first message stored at or after this time."""

    time_ns: int


@dataclass(frozen=True, slots=True)
class NewOnly:
    """Start with the first message stored from now on."""


Start = FromSequence | LastPerSubject | FromStart | FromTime | NewOnly
