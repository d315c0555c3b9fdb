"""The streams of a server: which of them stores a subject, how much space they take, when something expires."""

from collections.abc import Iterable

from lab.simulation.bus_model.streams.config import Config
from lab.simulation.bus_model.streams.stream import Stream
from lab.simulation.bus_model.subjects import SubjectIndex

FOREVER_NS = 2**63


class JetStream:
    """The streams, and the server's time."""

    def __init__(
        self, name: str, now_ns: int, max_memory_bytes: int, max_store_bytes: int, servers: int = 1
    ) -> None:
        self.name = name
        """The server's name."""
        self.now_ns = now_ns
        """The server's time, in nanoseconds since the epoch."""
        self.wake_ns = FOREVER_NS
        """`advance` has nothing to do before this time."""
        self.servers = servers
        """Number of servers of the cluster; 1 for a server on its own."""
        self.streams: dict[str, Stream] = {}
        self._captures: SubjectIndex[Stream] = SubjectIndex()
        self._max_bytes = {False: max_memory_bytes, True: max_store_bytes}

    def advance(self, now_ns: int) -> None:
        """Let time pass: messages and message ids expire."""
        self.now_ns = max(now_ns, self.now_ns)
        if self.now_ns >= self.wake_ns:
            for stream in self.streams.values():
                stream.expire(self.now_ns)
            times = (stream.next_expiry_ns() for stream in self.streams.values())
            self.wake_ns = min((each for each in times if each is not None), default=FOREVER_NS)

    def note_stored(self, stream: Stream) -> None:
        """Note that a message was stored, which may expire."""
        self.wake_ns = min(self.wake_ns, self.now_ns + stream.min_life_ns)

    def capturing(self, subject: str) -> tuple[Stream, ...]:
        """Return the stream that stores a subject."""
        return self._captures.match(subject)

    def create(self, config: Config) -> Stream:
        """Add a new stream with a checked configuration."""
        stream = self.streams[config.name] = Stream(config, self.now_ns)
        self._capture(stream, config.subjects)
        return stream

    def delete(self, stream: Stream) -> None:
        """Remove a stream with all its messages."""
        del self.streams[stream.name]
        self._release(stream, stream.config.subjects)

    def reconfigure(self, stream: Stream, config: Config) -> None:
        """Change the configuration of a stream."""
        self._release(stream, stream.config.subjects)
        stream.reconfigure(config, self.now_ns)
        self._capture(stream, config.subjects)
        self.wake_ns = self.now_ns

    def restart(self) -> None:
        """Lose what is not stored: memory streams and known message ids. A cluster keeps the streams, without messages."""
        for stream in list(self.streams.values()):
            if stream.store.is_file:
                stream.recover(self.now_ns)
            elif self.servers > 1:
                stream.empty(self.now_ns)
            else:
                self.delete(stream)
        self.wake_ns = self.now_ns

    def used_bytes(self, *, is_file: bool) -> int:
        """Return the size of all messages in files, or in memory."""
        return sum(each.store.bytes for each in self.streams.values() if each.store.is_file is is_file)

    def reserved_bytes(self, *, is_file: bool) -> int:
        """Return the size that streams may reach, of those with a limit."""
        chosen = (each for each in self.streams.values() if each.store.is_file is is_file)
        return sum(max(each.config.max_bytes, 0) for each in chosen)

    def has_room(self, *, is_file: bool) -> bool:
        """Return whether the store in files, or in memory, takes another message, whatever its size."""
        return self.used_bytes(is_file=is_file) <= self._max_bytes[is_file]

    def may_reserve(self, added: int, *, is_file: bool) -> bool:
        """Return whether a stream may grow by so many bytes."""
        return self.reserved_bytes(is_file=is_file) + added <= self._max_bytes[is_file]

    def _capture(self, stream: Stream, subjects: Iterable[str]) -> None:
        for subject in subjects:
            self._captures.add(subject, stream)

    def _release(self, stream: Stream, subjects: Iterable[str]) -> None:
        for subject in subjects:
            self._captures.remove(subject, stream)
