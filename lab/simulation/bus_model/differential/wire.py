"""What a server sent to a client, as events that can be compared: messages by subscription, everything else in order."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.simulation.bus_model.gojson import parse_time

CRLF = b"\r\n"
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
TIME_TOLERANCE_NS = 20 * 1_000_000_000
INVALID_JSON = 10025
MAX_SHOWN, MAX_SHOWN_FIELDS = 3, 12
INBOX = "r."
PEDANTIC_ERROR = b"-ERR 'Invalid Publish Subject'"


@dataclass(frozen=True, slots=True)
class Event:
    """A message, or another line (then `subject` is empty)."""

    subject: str
    sid: str
    reply: str
    headers: bytes
    data: bytes

    def __str__(self) -> str:
        return f"{self.subject} {self.sid} {self.reply} {self.headers!r} {self.data!r}"


@dataclass(slots=True)
class Receiver:
    """Parses the bytes from a server."""

    events: list[Event] = field(default_factory=list)
    pings: int = 0
    _rest: bytes = b""

    @property
    def count(self) -> int:
        """The number of events, without those that the real server may repeat."""
        return sum(event.data != PEDANTIC_ERROR for event in self.events)

    def feed(self, data: bytes) -> None:
        """Parse more bytes."""
        data = self._rest + data
        at = 0
        while (end := data.find(CRLF, at)) >= 0:
            line = data[at:end]
            if line.startswith((b"MSG ", b"HMSG ")):
                parts = line.decode().split(" ")
                has_headers = parts[0] == "HMSG"
                begin, size = end + 2, int(parts[-1])
                head = int(parts[-2]) if has_headers else 0
                if len(data) < begin + size + 2:
                    break
                reply = parts[3] if len(parts) == 5 + has_headers else ""
                body = data[begin : begin + size]
                self.events.append(Event(parts[1], parts[2], reply, body[:head], body[head:]))
                at = begin + size + 2
            else:
                if line == b"PING":
                    self.pings += 1
                elif not line.startswith(b"INFO "):
                    self.events.append(Event("", "", "", b"", line))
                at = end + 2
        self._rest = data[at:]


def grouped(events: list[Event], groups: dict[str, str]) -> dict[str, list[Event]]:
    """Return the events in groups within which the order is defined.

    `groups` names the group of a subscription, if it has others in a queue. Replies are a group for each reply subject,
    messages of a stream for each stream; the order of several streams is not defined.
    """
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if not event.subject:
            key = "lines"
            if event.data == PEDANTIC_ERROR and found[key] and found[key][-1] == event:
                continue  # the server parses a message again that arrives in two pieces
        elif event.subject.startswith(INBOX):
            key = event.subject
        else:
            source = ".".join(event.subject.split(".")[:2])
            key = f"{groups.get(event.sid, event.sid)} {source}"
        found[key].append(event)
    return found


def difference(real: list[Event], model: list[Event], groups: dict[str, str]) -> str:
    """Return the first difference of what two servers sent to a client; empty when there is none."""
    left, right = grouped(real, groups), grouped(model, groups)
    differences = []
    for key in sorted({*left, *right}):
        ours, theirs = left.get(key, []), right.get(key, [])
        for number in range(max(len(ours), len(theirs))):
            one = ours[number] if number < len(ours) else None
            other = theirs[number] if number < len(theirs) else None
            if one is None or other is None or not is_same(one, other, has_sid=not key.startswith("queue ")):
                differences.append(f"{key}, number {number + 1}\n{_shown(one, other)}")
                break
    return "\n".join(differences[:MAX_SHOWN])


def _shown(real: Event | None, model: Event | None) -> str:
    """Return two different events; of replies in JSON only the fields that differ."""
    try:
        assert real is not None
        assert model is not None
        fields = list(_different_fields(json.loads(real.data), json.loads(model.data), ""))
    except (AssertionError, ValueError):
        fields = []
    return "\n".join(fields[:MAX_SHOWN_FIELDS]) or f"  real:  {real}\n  model: {model}"


def _different_fields(real: Any, model: Any, path: str) -> Iterator[str]:
    if isinstance(real, dict) and isinstance(model, dict):
        for key in real | model:
            yield from _different_fields(real.get(key), model.get(key), f"{path}.{key}")
    elif isinstance(real, list) and isinstance(model, list) and len(real) == len(model):
        for number, (one, other) in enumerate(zip(real, model, strict=True)):
            yield from _different_fields(one, other, f"{path}[{number}]")
    elif not _is_same_text(str(real).encode(), str(model).encode()):
        yield f"  {path}: real {real}, model {model}"


def is_same(real: Event, model: Event, *, has_sid: bool) -> bool:
    """Return whether two events are equal, apart from what differs rightly."""
    if (real.subject, real.reply) != (model.subject, model.reply) or (has_sid and real.sid != model.sid):
        return False
    return _is_same_text(real.headers, model.headers) and _is_same_text(
        _normalized(real.data), _normalized(model.data)
    )


def _is_same_text(real: bytes, model: bytes) -> bool:
    if real == model:
        return True
    if TIME.sub(b"", real) != TIME.sub(b"", model):
        return False
    pairs = zip(TIME.findall(real), TIME.findall(model), strict=True)
    return all(_is_same_time(one.decode(), other.decode()) for one, other in pairs)


def _is_same_time(real: str, model: str) -> bool:
    if real.startswith("0001") or model.startswith("0001"):
        return real == model
    return abs(parse_time(real) - parse_time(model)) < TIME_TOLERANCE_NS


def _normalized(data: bytes) -> bytes:
    if data.startswith(b'{"server":'):
        return _connections(json.loads(data))
    if b'"err_code":%d' % INVALID_JSON in data:  # its text is that of Go's decoder
        return data.partition(b'"description"')[0]
    return data


def _connections(reply: dict[str, Any]) -> bytes:
    listed = reply["data"]["connections"]
    names = Counter(str(each.get("name")) for each in listed)
    counted = ("num_connections", "total", "offset", "limit")
    return repr((sorted(names.items()), [reply["data"][each] for each in counted])).encode()
