"""The messages of one stream, indexed by subject: sequences, limits, expiry, purges."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.simulation.bus_model import headers
from lab.simulation.bus_model.streams.sequences import Sequences
from lab.simulation.bus_model.subjects import REST, is_literal, matches

NEVER = -1
MAX_FILTERS = 256
"""Filters whose matching subjects are remembered."""


class StoreFullError(Exception):
    """A limit of the stream does not admit the message."""


@dataclass(slots=True, eq=False)
class Stored:
    """A stored message."""

    subject: str
    sequence: int
    time_ns: int
    headers: bytes
    data: bytes
    size: int
    ttl_s: int
    """0 for none, NEVER for a message that `max_age` does not expire."""


@dataclass(slots=True, kw_only=True)
class Limits:
    """The limits of a stream; -1 is unlimited, except that `max_age_ns` is 0 then."""

    max_messages: int = -1
    max_bytes: int = -1
    max_per_subject: int = -1
    max_age_ns: int = 0
    discard_new: bool = False
    discard_new_per_subject: bool = False


class Store:
    """The messages of a stream."""

    def __init__(self, limits: Limits, *, is_file: bool, first: int = 0) -> None:
        self.limits = limits
        self.is_file = is_file
        self.messages: dict[int, Stored] = {}
        self.sequences = Sequences()
        self.subjects: dict[str, Sequences] = {}
        self.bytes = 0
        self.first = first
        """The sequence of the oldest message; `last + 1` when there is none."""
        self.last = max(first - 1, 0)
        self.last_time_ns = 0
        self._filters: dict[str, dict[str, Sequences]] = {}
        self._expiries: list[tuple[int, int]] = []
        self._age_checked = 0  # messages up to here that are still stored never expire by age

    @property
    def first_time_ns(self) -> int:
        """When the oldest message was stored; 0 when there is none."""
        return self.messages[self.first].time_ns if self.messages else 0

    def size_of(self, subject: str, block: bytes, data: bytes) -> int:
        """Return the bytes that a message is counted with."""
        size = len(subject.encode()) + len(block) + len(data)
        if not self.is_file:
            return size + 16
        return size + 30 + (4 if block else 0)

    def append(self, subject: str, block: bytes, data: bytes, time_ns: int, ttl_s: int) -> Stored:
        """Store a message at the next sequence, then enforce the limits.

        Raises: StoreFullError.
        """
        size = self.size_of(subject, block, data)
        index = self.subjects.get(subject)
        self._check_room(index, block, size)
        sequence = self.last + 1
        message = Stored(subject, sequence, time_ns, block, data, size, ttl_s)
        if not self.messages:
            self.first = sequence
        self.messages[sequence] = message
        self.sequences.append(sequence)
        self.bytes += size
        self.last, self.last_time_ns = sequence, time_ns
        if index is None:
            index = self._new_subject(subject)
        index.append(sequence)
        if ttl_s > 0:
            heapq.heappush(self._expiries, (time_ns + ttl_s * 1_000_000_000, sequence))
        self._enforce_subject(index)
        self._enforce_totals()
        return message

    def remove(self, sequence: int) -> bool:
        """Remove a message; return whether there was one."""
        message = self.messages.pop(sequence, None)
        if message is None:
            return False
        self.bytes -= message.size
        self.sequences.remove(sequence)
        index = self.subjects[message.subject]
        index.remove(sequence)
        if not index:
            self._drop_subject(message.subject)
        if sequence == self.first:
            self.first = self.sequences.first if self.messages else self.last + 1
        return True

    def load_last(self, subject: str) -> Stored | None:
        """Return the last message on the matching subjects; for `>` only if it was not removed."""
        if not subject or subject == REST:
            return self.messages.get(self.last)
        if is_literal(subject):
            index = self.subjects.get(subject)
            return None if index is None else self.messages[index.last]
        found = max((index.last for index in self.matching(subject).values()), default=0)
        return self.messages.get(found)

    def load_next(self, subject: str, start: int) -> Stored | None:
        """Return the first message on the matching subjects that is not before a sequence."""
        if not subject or subject == REST:
            return self.messages.get(self.sequences.at_or_after(start))
        if is_literal(subject):
            index = self.subjects.get(subject)
            return None if index is None else self.messages.get(index.at_or_after(start))
        found = (index.at_or_after(start) for index in self.matching(subject).values())
        return self.messages.get(min((each for each in found if each), default=0))

    def iterate(self, subject: str, start: int) -> Iterator[Stored]:
        """Yield the messages on the matching subjects from a sequence on; the store must not change meanwhile."""
        if not subject or subject == REST:
            sequences: Iterable[int] = self.sequences.iterate(start)
        elif is_literal(subject):
            sequences = self.subjects[subject].iterate(start) if subject in self.subjects else ()
        else:
            sequences = heapq.merge(*(each.iterate(start) for each in self.matching(subject).values()))
        return map(self.messages.__getitem__, sequences)

    def pending(self, subject: str, start: int) -> int:
        """Return the number of messages on the matching subjects from a sequence on."""
        if not subject or subject == REST:
            return len(self.messages) - self.sequences.count_before(start)
        indexes = self.matching(subject).values()
        return sum(len(each) - each.count_before(start) for each in indexes)

    def last_sequences(self, filters: Iterable[str], up_to: int, maximum: int) -> list[int] | None:
        """Return the last sequence up to `up_to` of each matching subject, sorted; None for more than `maximum`."""
        found: dict[int, None] = {}
        for each in filters:
            for index in self.matching(each).values():
                sequence = index.last if index.last <= up_to else index.at_or_before(up_to)
                if sequence:
                    found[sequence] = None
            if len(found) > maximum:
                return None
        return sorted(found)

    def sequence_at(self, time_ns: int) -> int:
        """Return the sequence of the first message stored at a time or later; `last + 1` when there is none."""
        low, high = 0, len(self.sequences)
        while low < high:
            middle = (low + high) // 2
            if self.messages[self.sequences.at_rank(middle)].time_ns < time_ns:
                low = middle + 1
            else:
                high = middle
        return self.sequences.at_rank(low) if low < len(self.sequences) else self.last + 1

    def totals(self, subject: str) -> dict[str, int]:
        """Return the number of messages on each matching subject."""
        return {name: len(index) for name, index in self.matching(subject).items()}

    def purge(self, subject: str = "", before: int = 0, keep: int = 0) -> int:
        """Remove the matching messages before a sequence, or all but the last `keep`; return their number."""
        if before == 1:
            return 0
        is_all = not subject or subject == REST
        if is_all and not keep and not before:
            return self._purge_all()
        if is_all and before > 1:
            return self._compact(before)
        count = self.pending(subject, 0)
        if not count or (keep and keep >= count):
            return 0
        maximum = count - keep if keep else count
        removed: list[int] = []
        for message in self.iterate(subject, 0):
            if len(removed) >= maximum or (before and message.sequence >= before):
                break
            removed.append(message.sequence)
        for sequence in removed:
            self.remove(sequence)
        return len(removed)

    def set_limits(self, limits: Limits) -> None:
        """Change the limits and enforce them."""
        self.limits = limits
        self._age_checked = 0
        self._enforce_totals()
        for index in list(self.subjects.values()):
            self._enforce_subject(index)

    def expire(self, now_ns: int) -> int:
        """Remove the messages whose time has come; return their number."""
        count = 0
        while self._expiries and self._expiries[0][0] <= now_ns:
            count += self.remove(heapq.heappop(self._expiries)[1])
        if self.limits.max_age_ns:
            while (message := self._next_aging()) is not None:
                if message.time_ns + self.limits.max_age_ns > now_ns:
                    break
                self._age_checked = message.sequence
                if message.ttl_s != NEVER:
                    count += self.remove(message.sequence)
        return count

    def next_expiry_ns(self) -> int | None:
        """Return when the next message expires; None when none does."""
        while self._expiries and self._expiries[0][1] not in self.messages:
            heapq.heappop(self._expiries)
        times = [self._expiries[0][0]] if self._expiries else []
        if self.limits.max_age_ns and (message := self._next_aging()) is not None:
            times.append(message.time_ns + self.limits.max_age_ns)
        return min(times, default=None)

    def copy(self) -> "Store":
        """Return an independent copy, which shares the messages."""
        twin = Store(self.limits, is_file=self.is_file)
        twin.messages = self.messages.copy()
        twin.sequences = self.sequences.copy()
        twin.subjects = {name: index.copy() for name, index in self.subjects.items()}
        twin.bytes, twin.first, twin.last = self.bytes, self.first, self.last
        twin.last_time_ns = self.last_time_ns
        twin._expiries, twin._age_checked = self._expiries.copy(), self._age_checked
        return twin

    def matching(self, subject: str) -> dict[str, Sequences]:
        """Return the sequences of each subject that matches."""
        if not subject or subject == REST:
            return self.subjects
        if is_literal(subject):
            index = self.subjects.get(subject)
            return {} if index is None else {subject: index}
        found = self._filters.get(subject)
        if found is None:
            pattern = subject.split(".")
            found = {name: each for name, each in self.subjects.items() if matches(name.split("."), pattern)}
            if len(self._filters) >= MAX_FILTERS:
                self._filters.clear()
            self._filters[subject] = found
        return found

    def truncate(self, last: int) -> None:
        """Forget everything after a sequence, as if it had not been stored."""
        for sequence in list(self.sequences.iterate(last + 1)):
            self.remove(sequence)
        self.last = min(self.last, last)
        if not self.messages:
            self.first = self.last + 1 if self.last else 0
        self.last_time_ns = self.messages[self.sequences.last].time_ns if self.messages else 0

    def _next_aging(self) -> Stored | None:
        return self.messages.get(self.sequences.at_or_after(self._age_checked + 1))

    def _check_room(self, index: Sequences | None, block: bytes, size: int) -> None:
        limits = self.limits
        if not limits.discard_new:
            return
        is_at_limit = index is not None and 0 < limits.max_per_subject <= len(index)
        if is_at_limit and limits.discard_new_per_subject and not headers.get(block, b"Nats-Rollup"):
            raise StoreFullError("maximum messages per subject exceeded")
        if 0 < limits.max_messages <= len(self.messages) and not is_at_limit:
            raise StoreFullError("maximum messages exceeded")
        if 0 < limits.max_bytes < self.bytes + size:
            replaced = self.messages[index.first] if index is not None and is_at_limit else None
            if replaced is None or replaced.size < size:
                raise StoreFullError("maximum bytes exceeded")

    def _enforce_subject(self, index: Sequences) -> None:
        maximum = self.limits.max_per_subject
        while 0 < maximum < len(index):
            self.remove(index.first)

    def _enforce_totals(self) -> None:
        limits = self.limits
        if limits.discard_new:
            return
        while 0 < limits.max_messages < len(self.messages) or 0 < limits.max_bytes < self.bytes:
            self.remove(self.first)

    def _purge_all(self) -> int:
        count = len(self.messages)
        self.messages.clear()
        self.sequences = Sequences()
        self.subjects.clear()
        self._filters.clear()
        self._expiries.clear()
        self.bytes = 0
        self.first = self.last + 1
        return count

    def _compact(self, before: int) -> int:
        if before <= self.last:
            removed: list[int] = []
            for sequence in self.sequences.iterate():
                if sequence >= before:
                    break
                removed.append(sequence)
            for sequence in removed:
                self.remove(sequence)
            return len(removed)
        count = self._purge_all()
        self.first, self.last = before, before - 1
        return count

    def _new_subject(self, subject: str) -> Sequences:
        index = self.subjects[subject] = Sequences()
        if self._filters:
            tokens = subject.split(".")
            for pattern, found in self._filters.items():
                if matches(tokens, pattern.split(".")):
                    found[subject] = index
        return index

    def _drop_subject(self, subject: str) -> None:
        del self.subjects[subject]
        for found in self._filters.values():
            found.pop(subject, None)
