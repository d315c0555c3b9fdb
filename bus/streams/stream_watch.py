"""Check every second or so, for all readers of a stream on one connection, that no stored message was missed.

A republished message that was lost is noticed with the next message on its subject, if there is one. Therefore the watch
asks the stream's leader for its end, and a replica for the last message of each subject that has changed since the last
check. It also notices that the stream was deleted, created again or rolled back.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

from bus.client.connection import Bus
from bus.client.direct_get import MAX_PAGE_BYTES, TOO_MANY_SUBJECTS, DirectGets
from bus.client.jetstream import RollbackDetector, StreamState
from bus.client.subject_filters import SubjectFilters, is_wild
from bus.errors import BusError, Rejected, StreamGone
from bus.log import get_logger
from bus.marks import reached
from bus.runtime import background_s, uniform
from bus.streams.history import is_in_cluster

CHECK_INTERVAL_S = 1.0
SINGLE_SERVER_FACTOR = 3.0
"""With one server the interval is so many times longer: it loses no republished message while a connection is up."""
GRACE_S = 0.05
"""A message that was stored just now may still be under way."""

MAX_SUBJECTS = 1000
"""Of one request: the server answers for at most 1024 subjects."""

_log = get_logger("bus")


class Follower(Protocol):
    """A reader of a stream that follows its new messages."""

    @property
    def filters(self) -> Sequence[str]:
        """The subjects that it reads."""

    @property
    def created(self) -> str | None:
        """The creation time of the stream that it has read; None or empty while unknown."""

    @property
    def covered(self) -> int:
        """It has received all matching messages up to this sequence."""

    def has_received(self, subject: str, sequence: int) -> bool:
        """Return whether it has received a message, or a newer one on its subject."""

    def on_missed(self, sequence: int) -> None:
        """Read the stream up to a stored message that has not arrived."""

    def on_nothing_missed(self, up_to: int) -> None:
        """Note that all matching messages up to a sequence have arrived."""

    def on_changed(self, why: str) -> None:
        """Check whether the stream is gone, or another one."""


_watches: WeakKeyDictionary[Bus, dict[str, "StreamWatch"]] = WeakKeyDictionary()


def join(bus: Bus, stream: str, follower: Follower) -> None:
    """Have a follower watched until `leave`."""
    watches = _watches.setdefault(bus, {})
    if stream not in watches:
        watches[stream] = StreamWatch(bus, stream)
    watches[stream].add(follower)


async def leave(bus: Bus, stream: str, follower: Follower) -> None:
    """End the watch of a follower, if it has joined."""
    watches = _watches.get(bus, {})
    watch = watches.get(stream)
    if watch is not None and watch.remove(follower):
        del watches[stream]
        await watch.stop()


class StreamWatch:
    """The watch of one stream, for its followers on one connection."""

    def __init__(self, bus: Bus, stream: str) -> None:
        self._bus = bus
        self._stream = stream
        self._followers: list[Follower] = []
        self._checked = -1
        """What the stream has stored up to this sequence was checked; -1 before the first follower."""
        self._last = 0
        """The end of the stream at the last check."""
        self._rollback = RollbackDetector()
        self._task = asyncio.create_task(self._run(), name=f"watch:{stream}")

    def add(self, follower: Follower) -> None:
        """Watch a follower."""
        self._followers.append(follower)
        self._checked = follower.covered if self._checked < 0 else min(self._checked, follower.covered)

    def remove(self, follower: Follower) -> bool:
        """End the watch of a follower; return whether none is left."""
        if follower in self._followers:
            self._followers.remove(follower)
        return not self._followers

    async def stop(self) -> None:
        """End the checks."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        async with DirectGets(self._bus, self._stream) as gets:
            while True:
                factor = uniform(0.8, 1.2) * (1 if is_in_cluster(self._bus) else SINGLE_SERVER_FACTOR)
                await asyncio.sleep(background_s(CHECK_INTERVAL_S) * factor)
                try:
                    await self._bus.wait_connected()
                    await self._check(gets)
                except StreamGone:
                    self._tell_changed("the stream is gone")
                except BusError as error:
                    _log.debug("stream_check_failed", stream=self._stream, detail=error)

    async def _check(self, gets: DirectGets) -> None:
        state = await self._bus.stream_state(self._stream)
        is_rolled_back = self._rollback.is_rolled_back(state)
        is_changed = False
        for follower in tuple(self._followers):
            is_other = follower.created not in (None, "", state.created) or state.last < follower.covered
            if is_other or is_rolled_back:
                follower.on_changed("the stream is another one, or shorter than before")
                is_changed = True
        if is_changed:
            self._checked = min(self._checked, state.last)
        elif state.last > self._checked and await self._check_changes(gets, state) < self._last:
            self._tell_changed("a replica lags behind")
        self._last = state.last

    async def _check_changes(self, gets: DirectGets, state: StreamState) -> int:
        """Tell the followers which messages they have missed; return up to which sequence that is known, or 0."""
        followers = tuple(self._followers)
        filters = {each for follower in followers for each in follower.filters}
        exact = sorted(each for each in filters if not is_wild(each))
        groups = [exact[at : at + MAX_SUBJECTS] for at in range(0, len(exact), MAX_SUBJECTS)]
        groups += [wild] if (wild := sorted(filters.difference(exact))) else []
        missed: dict[Follower, int] = {}
        changed: dict[str, int] = {}
        ends: list[int] = []
        for group in groups:
            try:
                ends.append(await self._read_changes(gets, group, state, changed))
            except Rejected as error:
                if error.status != TOO_MANY_SUBJECTS:
                    raise
                ends.append(await self._read_next(followers, state, missed))
        await asyncio.sleep(GRACE_S)
        missed |= _missed(followers, changed)
        checked = min(ends, default=0)
        for follower in followers:
            if follower not in self._followers:
                continue
            if follower in missed and not missed[follower] <= follower.covered:
                reached("republished_message_missed")
                follower.on_missed(missed[follower])
            elif checked:
                follower.on_nothing_missed(checked)
        joined = [each.covered for each in self._followers if each not in followers]
        self._checked = max(self._checked, min([checked, *joined]))
        return checked

    async def _read_changes(
        self, gets: DirectGets, filters: Sequence[str], state: StreamState, changed: dict[str, int]
    ) -> int:
        """Add the last sequence of each subject that has changed; return up to which sequence that is known, or 0."""
        following, up_to = self._checked + 1, 0
        while True:
            page = await gets.get({"multi_last": filters, "seq": following, "max_bytes": MAX_PAGE_BYTES})
            changed.update((each.subject, each.sequence) for each in page.messages)
            if not page.is_whole or page.up_to == 0:
                # Without matching subjects, a single server has none; a replica may have none yet.
                return state.last if page.is_whole and await self._is_empty(filters, state) else 0
            up_to = min(up_to, page.up_to) if up_to else page.up_to
            if not page.pending or not page.messages:
                return up_to
            following = page.messages[-1].sequence + 1

    async def _is_empty(self, filters: Sequence[str], state: StreamState) -> bool:
        """Return whether the leader had no matching message when it reported a state."""
        if state.replicas == 1:
            return True
        last = await asyncio.gather(*(self._bus.last(self._stream, each) for each in filters))
        return all(each is None or each.sequence > state.last for each in last)

    async def _read_next(
        self, followers: Iterable[Follower], state: StreamState, missed: dict[Follower, int]
    ) -> int:
        """Ask for the next message of each filter with wildcards, where these match too many subjects; else as above."""
        for follower in followers:
            for each in filter(is_wild, follower.filters):
                found = await self._bus.next(self._stream, each, follower.covered + 1)
                if found:
                    missed[follower] = found.sequence
        return state.last

    def _tell_changed(self, why: str) -> None:
        for follower in tuple(self._followers):
            follower.on_changed(why)


def _missed(followers: Iterable[Follower], changed: dict[str, int]) -> dict[Follower, int]:
    """Return the followers that have not received a message, with its sequence."""
    by_subject: dict[str, list[Follower]] = defaultdict(list)
    wild: list[tuple[Follower, SubjectFilters]] = []
    for follower in followers:
        for each in follower.filters:
            if not is_wild(each):
                by_subject[each].append(follower)
        if any(map(is_wild, follower.filters)):
            wild.append((follower, SubjectFilters(filter(is_wild, follower.filters))))
    missed: dict[Follower, int] = {}
    for subject, sequence in changed.items():
        readers = [*by_subject[subject], *(follower for follower, own in wild if own.matches(subject))]
        for follower in readers:
            if not follower.has_received(subject, sequence):
                missed[follower] = max(sequence, missed.get(follower, 0))
    return missed
