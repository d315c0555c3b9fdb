"""A stream: checks and stores published messages, acknowledges and republishes them, forgets message ids."""

from collections import deque
from dataclasses import dataclass

from lab.simulation.bus_model import errors, headers
from lab.simulation.bus_model.errors import ApiError, NotModeledError, RequestFailedError
from lab.simulation.bus_model.gojson import SECOND_NS, encode, format_time
from lab.simulation.bus_model.streams.config import Config
from lab.simulation.bus_model.streams.store import NEVER, Store, Stored, StoreFullError
from lab.simulation.bus_model.subjects import Mapping

Named = dict[bytes, bytes]
"""The headers that the server reads, by name."""

NO_HEADERS: Named = {}
MAX_HEADERS = 65535
NOT_MODELED_HEADERS = frozenset(
    {
        b"Nats-Batch-Id",
        b"Nats-Incr",
        b"Nats-Schedule",
        b"Nats-Schedule-Next",
        b"Nats-Scheduler",
    }
)
_UNITS_NS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 10**6, "s": SECOND_NS, "m": 60 * SECOND_NS}
_UNITS_NS["h"] = 60 * _UNITS_NS["m"]


@dataclass(frozen=True, slots=True)
class Republished:
    """A stored message as it is published again."""

    subject: str
    headers: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a published message."""

    reply: bytes
    """The acknowledgement or error; empty when there is none."""
    republished: Republished | None = None
    stored: Stored | None = None


class Stream:
    """A stream with its messages. `created_ns` is its creation time in nanoseconds since the epoch."""

    def __init__(self, config: Config, created_ns: int) -> None:
        self.config = config
        self.created_ns = created_ns
        self.store = Store(config.limits, is_file=config.storage == "file")
        self._mapping: Mapping | None = config.mapping
        self._last_id = ""
        self._ids: dict[str, tuple[int, int]] = {}
        self._id_times: deque[tuple[int, str]] = deque()
        self._acknowledgement = encode({"stream": config.name, "seq": 0})[:-2]

    @property
    def name(self) -> str:
        return self.config.name

    def publish(self, subject: str, block: bytes, data: bytes, now_ns: int, *, has_room: bool) -> Outcome:
        """Store a message if its headers and the limits allow it. `has_room` is whether the server's store has room."""
        block = headers.without_status(block)
        named = headers.server_headers(block) if block else NO_HEADERS
        try:
            duplicate = self._check(subject, named, len(block), len(data))
            if duplicate:
                return Outcome(self._acknowledgement + b'%d,"duplicate": true}' % duplicate)
            if not has_room:
                raise RequestFailedError(errors.INSUFFICIENT_RESOURCES)
            return self._store(subject, named, block, data, now_ns)
        except RequestFailedError as error:
            return Outcome(self.rejection(error.error))

    def rejection(self, error: ApiError) -> bytes:
        """Return the reply to a message that is not stored."""
        return encode({"error": error._asdict(), "stream": self.name, "seq": 0})

    def acknowledgement(self, sequence: int) -> bytes:
        """Return the reply to a message that was stored."""
        return self._acknowledgement + b"%d}" % sequence

    def reconfigure(self, config: Config, now_ns: int) -> None:
        """Change the configuration, and enforce its limits."""
        self.config = config
        self._mapping = config.mapping
        self.store.set_limits(config.limits)
        self.expire(now_ns)

    def expire(self, now_ns: int) -> None:
        """Remove messages and message ids whose time has come."""
        self.store.expire(now_ns)
        window = self.config.duplicate_window
        while self._id_times and self._id_times[0][0] + window <= now_ns:
            time_ns, message_id = self._id_times.popleft()
            if self._ids.get(message_id, (0, 0))[1] == time_ns:
                del self._ids[message_id]

    @property
    def min_life_ns(self) -> int:
        """How long what is stored now does not expire, at least."""
        config = self.config
        life = min(config.duplicate_window, config.max_age or config.duplicate_window)
        return min(life, SECOND_NS) if config.allow_msg_ttl else life

    def next_expiry_ns(self) -> int | None:
        """Return when `expire` has something to do; None when nothing expires."""
        times = [] if (expiry := self.store.next_expiry_ns()) is None else [expiry]
        if self._id_times:
            times.append(self._id_times[0][0] + self.config.duplicate_window)
        return min(times, default=None)

    def empty(self, now_ns: int) -> None:
        """Begin again without messages, at the first sequence."""
        self.store = Store(self.config.limits, is_file=self.store.is_file)
        self.recover(now_ns)

    def recover(self, now_ns: int) -> None:
        """Rebuild from the stored messages what is not stored: the known message ids."""
        self.store.expire(now_ns)
        self._ids.clear()
        self._id_times.clear()
        self._last_id = ""
        for message in self.store.iterate("", self.store.sequence_at(now_ns - self.config.duplicate_window)):
            message_id = headers.get(message.headers, b"Nats-Msg-Id").decode()
            if message_id:
                self._remember(message_id, message.sequence, message.time_ns)
            if message.sequence == self.store.last:
                self._last_id = message_id

    def _check(self, subject: str, named: Named, block_size: int, data_size: int) -> int:
        """Check the headers; return the sequence of the same message if it is stored already, otherwise 0."""
        if self.config.sealed:
            raise RequestFailedError(errors.SEALED)
        if 0 <= self.config.max_msg_size < block_size + data_size:
            raise RequestFailedError(errors.MESSAGE_TOO_LARGE)
        duplicate = 0
        if named:
            self._check_expectations(subject, named)
            message_id = named.get(b"Nats-Msg-Id", b"").decode()
            duplicate = self._ids.get(message_id, (0, 0))[0] if message_id else 0
            if duplicate:
                return duplicate
            last_id = named.get(b"Nats-Expected-Last-Msg-Id", b"").decode()
            if last_id and last_id != self._last_id:
                raise RequestFailedError(errors.WRONG_LAST_ID.with_text(id=self._last_id))
            self._check_rollup(_rollup(named))
        if block_size > MAX_HEADERS:
            raise RequestFailedError(errors.HEADERS_TOO_LARGE)
        return duplicate

    def _check_expectations(self, subject: str, named: Named) -> None:
        for name in NOT_MODELED_HEADERS & named.keys():
            if named[name]:
                raise NotModeledError(f"header {name.decode()}")
        stream = named.get(b"Nats-Expected-Stream", b"").decode()
        if stream and stream != self.name:
            raise RequestFailedError(errors.WRONG_STREAM)
        ttl = _ttl_s(named.get(b"Nats-TTL", b""))
        if ttl and not self.config.allow_msg_ttl:
            raise RequestFailedError(errors.TTL_DISABLED)
        expected = named.get(b"Nats-Expected-Last-Subject-Sequence", b"")
        other = named.get(b"Nats-Expected-Last-Subject-Sequence-Subject", b"").decode()
        if expected:
            last = self.store.load_last(other or subject)
            sequence = last.sequence if last is not None else 0
            if (last is None and _number(expected) != 0) or sequence != _number(expected):
                raise RequestFailedError(errors.WRONG_LAST_SEQUENCE.with_text(seq=sequence))
        elif other:
            raise RequestFailedError(errors.EXPECTED_SUBJECT_ALONE)
        expected = named.get(b"Nats-Expected-Last-Sequence", b"")
        if expected and _number(expected) != self.store.last:
            raise RequestFailedError(errors.WRONG_LAST_SEQUENCE.with_text(seq=self.store.last))
        if named.get(b"Nats-Stream-Source", b""):
            raise RequestFailedError(errors.SOURCE_HEADER)

    def _check_rollup(self, rollup: str) -> None:
        if not rollup:
            return
        if not self.config.allow_rollup_hdrs or self.config.deny_purge:
            raise RequestFailedError(errors.ROLLUP_FAILED.with_text(err="rollup not permitted"))
        if rollup not in {"sub", "all"}:
            raise RequestFailedError(errors.ROLLUP_FAILED.with_text(err=f'rollup value invalid: "{rollup}"'))

    def _store(self, subject: str, named: Named, block: bytes, data: bytes, now_ns: int) -> Outcome:
        republish_to = self._mapping.apply(subject) if self._mapping is not None else ""
        previous = self.store.load_last(subject) if republish_to else None
        ttl = _ttl_s(named.get(b"Nats-TTL", b"")) if named else 0
        if ttl is None:
            raise RequestFailedError(errors.TTL_INVALID)
        try:
            stored = self.store.append(subject, block, data, now_ns, ttl)
        except StoreFullError as error:
            raise RequestFailedError(errors.STORE_FAILED.with_text(err=error)) from None
        self._last_id = named.get(b"Nats-Msg-Id", b"").decode() if named else ""
        if self._last_id:
            self._remember(self._last_id, stored.sequence, now_ns)
        rollup = _rollup(named) if named else ""
        if rollup:
            self.store.purge(subject if rollup == "sub" else "", keep=1)
        republished = None
        if republish_to:
            before = previous.sequence if previous is not None else 0
            lines = origin_lines(self.name, stored) + b"Nats-Last-Sequence: %d\r\n" % before
            republished = Republished(republish_to, headers.appended(block, lines), data)
        return Outcome(self.acknowledgement(stored.sequence), republished, stored)

    def _remember(self, message_id: str, sequence: int, time_ns: int) -> None:
        self._ids[message_id] = sequence, time_ns
        self._id_times.append((time_ns, message_id))


def origin_lines(stream: str, message: Stored) -> bytes:
    """Return the headers that tell where a message is stored."""
    return (
        f"Nats-Stream: {stream}\r\nNats-Subject: {message.subject}\r\nNats-Sequence: {message.sequence}\r\n"
        f"Nats-Time-Stamp: {format_time(message.time_ns)}\r\n"
    ).encode()


def _rollup(named: Named) -> str:
    return named.get(b"Nats-Rollup", b"").decode().lower()


def _number(text: bytes) -> int:
    """Return a sequence; what is not a number is the largest one, as the server reads it."""
    return int(text) if text.isdigit() else 2**64 - 1


def _ttl_s(text: bytes) -> int | None:
    """Return the seconds of a TTL: `5`, `1h30m`, `never`; None when it is invalid, 0 when it is missing."""
    if not text:
        return 0
    if text.lower() == b"never":
        return NEVER
    if text.isdigit() and text != b"0":
        return int(text)
    if text == b"0":
        return None
    nanoseconds = _duration_ns(text.decode())
    return None if nanoseconds is None or nanoseconds < SECOND_NS else nanoseconds // SECOND_NS


def _duration_ns(text: str) -> int | None:
    total, rest = 0.0, text.removeprefix("+")
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        number, rest = rest[:digits], rest[digits:]
        unit = next((each for each in ("ns", "us", "µs", "ms", "s", "m", "h") if rest.startswith(each)), None)
        if unit is None or not number.strip(".") or number.count(".") > 1:
            return None
        total += float(number) * _UNITS_NS[unit]
        rest = rest[len(unit) :]
    return int(total)
