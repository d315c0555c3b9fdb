"""How far a reader has read a stream, and whether the stream still is the one that it has read."""

import asyncio

from bus.client.connection import Bus
from bus.client.jetstream import RollbackDetector, StreamState
from bus.client.message import Received
from bus.errors import Ambiguous, OffsetLost
from bus.marks import reached
from bus.streams.offsets import is_replaced
from bus.streams.start import FromSequence, LastPerSubject, Start

MAX_STALE_S = 10.0
"""How long a server in a cluster may report an outdated stream state before it has noticed that it no longer leads."""


class ReadPosition:
    """The position of a reader in a stream.

    With `created`, the stream must have this creation time; with `stored_time`, in nanoseconds of the server's time, the
    message before the start must have been stored then.
    """

    def __init__(self, stream: str, start: Start, created: str | None = None, stored_time: int = 0) -> None:
        is_given = isinstance(start, FromSequence)
        self.stream = stream
        self.created = created
        self.covered = start.sequence - 1 if isinstance(start, FromSequence) else 0
        """All matching messages up to this sequence were delivered, or precede the start."""
        self.is_firm = is_given
        """Whether a discarded message after `covered` is a loss. At first it is not, if the start is the oldest message."""
        # Of a subject only the last message counts: one that a newer message has replaced is no loss.
        self._skips_discarded = start == LastPerSubject()
        self._last_on: dict[str, int] = {}
        # The newest message known to be stored before the next one, with its time; 0 while there is none.
        self._known = self.covered if is_given and stored_time else 0
        self._known_time = stored_time
        self._behind_since: float | None = None
        self._rollback = RollbackDetector()

    @property
    def next(self) -> int:
        return self.covered + 1

    def last_on(self, subject: str) -> int:
        """Return the sequence of the last message delivered on a subject; 0 when there is none."""
        return self._last_on.get(subject, 0)

    def deliver(self, message: Received) -> bool:
        """Note that a message is delivered; return whether it is a new one."""
        if message.sequence <= self._last_on.get(message.subject, 0):
            return False  # it was part of the snapshot at the start
        self._last_on[message.subject] = self._known = message.sequence
        self._known_time = message.time_ns
        return True

    def cover(self, sequence: int) -> None:
        """Note that all matching messages up to a sequence were delivered."""
        self.covered = max(self.covered, sequence)
        self.is_firm = True

    async def check(self, bus: Bus, state: StreamState) -> None:
        """Check that the stream still has what was read, and what is to be read next.

        Raises: OffsetLost; Ambiguous when the server that reports the state seems to lag behind; Rejected.
        """
        self.check_identity(state)
        is_discarded = state.first > self.next and not self._skips_discarded
        if self.is_firm and (is_discarded or self.next > state.last + 1):
            raise self.lost(state)
        if self._known and await is_replaced(bus, self.stream, self._known, self._known_time):
            reached("stream_restored")
            raise self.lost(state)

    def check_identity(self, state: StreamState) -> None:
        """Check that the stream is the one that was read before, and not an earlier copy of it.

        Raises: OffsetLost, Ambiguous.
        """
        self.created = self.created or state.created
        following = self.next if self.is_firm else None
        if state.created != self.created:
            reached("stream_recreated")
            raise self.lost(state)
        if self._rollback.is_rolled_back(state, following):
            reached("stream_rolled_back")
            raise self.lost(state)
        is_behind = self.is_firm and state.last + 1 < self.next
        if state.replicas == 1 or not is_behind:
            self._behind_since = None
            return
        now = asyncio.get_running_loop().time()
        self._behind_since = self._behind_since or now
        if now - self._behind_since < MAX_STALE_S:
            raise Ambiguous(
                f"a server reports {state.last} as the end of {self.stream}; expected {self.next}"
            )

    def lost(self, state: StreamState | None) -> OffsetLost:
        """Return the error that the next message is lost; without a state, that the stream is gone."""
        reached("offset_lost")
        if state is None:
            return OffsetLost(self.stream, self.next, 0, "")
        return OffsetLost(self.stream, self.next, state.first, state.created)
