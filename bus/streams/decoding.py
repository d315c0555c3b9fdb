"""Decode stored messages; log and skip invalid ones, and count those of types that this version does not know."""

from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from bus.client.message import Received
from bus.log import Logger, RepeatLimit
from bus.metrics import Collector, CounterMetricFamily
from bus.streams.registry import Entry
from schemas.codec import FormatTooNew, UndecodableError, UnknownKind, decode_as

E = TypeVar("E", bound=msgspec.Struct)

MAX_KINDS = 50
"""Unknown types counted by name; further ones are counted as `other`."""
OTHER = "other"


class UnknownKinds(Collector):
    """Messages of unknown types that were skipped, by type: metric `bus_unknown_kinds_total`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, kind: str) -> bool:
        """Count a message, and return whether it is the first of its type."""
        if kind not in self.counts and len(self.counts) >= MAX_KINDS:
            kind = OTHER
        self.counts[kind] += 1
        return self.counts[kind] == 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the metric."""
        family = CounterMetricFamily(
            "bus_unknown_kinds", "Messages skipped because a newer version wrote their type", labels=["kind"]
        )
        for kind, count in self.counts.items():
            family.add_metric([kind], count)
        yield family


_repeat_limit = RepeatLimit()

unknown_kinds = UnknownKinds()
"""Those of this process."""


def decode_or_log(stored: Received | Entry, kind: type[E], log: Logger) -> E | None:
    """Return the event of a stored message or registry entry; log it and return None when it is invalid or unknown.

    Raises: FormatTooNew when it needs a newer program: the reader must not continue without it.
    """
    try:
        return decode_as(stored.data, kind)
    except FormatTooNew:
        raise
    except UndecodableError as error:
        log_undecodable(stored, error, log)
        return None


def log_undecodable(stored: Received | Entry, error: UndecodableError, log: Logger) -> None:
    """Log a message that is skipped. One of an unknown type is counted, and only the first of its type is logged."""
    subject, sequence = (
        (stored.subject, stored.sequence) if isinstance(stored, Received) else (stored.key, stored.revision)
    )
    if not isinstance(error, UnknownKind):
        # Some readers look at the newest message again and again.
        stored_ns = stored.time_ns if isinstance(stored, Received) else 0
        key = f"{subject} {sequence} {stored_ns} {error}"
        _repeat_limit.write(
            log, "error", "undecodable", key, subject=subject, sequence=sequence, detail=str(error)
        )
    elif unknown_kinds.add(error.kind):
        log.warning("unknown_kind", subject=subject, sequence=sequence, detail=str(error))
