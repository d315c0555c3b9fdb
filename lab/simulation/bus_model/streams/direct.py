"""Direct gets: `$JS.API.DIRECT.GET.STREAM`, alone, in batches, and the last message of many subjects.

Each reply is a message with the headers of the stored one, or a status:

    404 Message Not Found, 404 No Results, 408 Bad Request, 408 Empty Request, 408 Malformed Request, 413 Too Many Results
    204 EOB after a batch, with `Nats-Num-Pending`, `Nats-Last-Sequence` and, for `multi_last`, `Nats-UpTo-Sequence`
"""

from collections.abc import Iterator
from typing import NamedTuple

from lab.simulation.bus_model import headers
from lab.simulation.bus_model.gojson import Fields, decode_object
from lab.simulation.bus_model.streams.config import API_LEVEL
from lab.simulation.bus_model.streams.store import Store, Stored
from lab.simulation.bus_model.streams.stream import origin_lines

MAX_RESULTS = 1024
DEFAULT_MAX_BYTES = 64 * 1024 * 1024

Answer = tuple[bytes, bytes]
"""Headers and data; a message without headers has none."""


class Request(NamedTuple):
    """The body of a direct get, or of STREAM.MSG.GET."""

    seq: int = 0
    last_by_subj: str = ""
    next_by_subj: str = ""
    batch: int = 0
    max_bytes: int = 0
    start_time: int | None = None
    multi_last: list[str] = []  # noqa: RUF012 - never changed
    up_to_seq: int = 0
    up_to_time: int | None = None
    no_hdr: bool = False

    @property
    def is_contradictory(self) -> bool:
        last, multi = bool(self.last_by_subj), bool(self.multi_last)
        return (
            (self.seq > 0 and (last or self.start_time is not None))
            or (last and (self.start_time is not None or bool(self.next_by_subj) or self.batch > 0 or multi))
            or (bool(self.next_by_subj) and multi)
            or (self.up_to_seq > 0 and self.up_to_time is not None)
        )


EMPTY = Request()


def parse_request(data: bytes) -> Request:
    """Parse the body of a request.

    Raises: ValueError.
    """
    fields = Fields(decode_object(data))
    return Request(
        fields.unsigned("seq"),
        fields.text("last_by_subj"),
        fields.text("next_by_subj"),
        fields.integer("batch"),
        fields.integer("max_bytes"),
        fields.time("start_time"),
        fields.texts("multi_last"),
        fields.unsigned("up_to_seq"),
        fields.time("up_to_time"),
        fields.flag("no_hdr"),
    )


def requires_newer_api(block: bytes) -> bool:
    """Return whether a request needs a newer server."""
    level = headers.get(block, b"Nats-Required-Api-Level")
    return bool(level) and (not level.lstrip(b"+-").isdigit() or int(level) > API_LEVEL)


def answer(name: str, store: Store, block: bytes, data: bytes, subject: str = "") -> Iterator[Answer]:
    """Yield the replies to a direct get of a stream; `subject` follows the stream in the subject of the request."""
    if requires_newer_api(block):
        yield headers.status(412, "Required Api Level"), b""
        return
    request = _checked(data, subject)
    if isinstance(request, bytes):
        yield request, b""
    elif request.multi_last:
        yield from _multi_last(name, store, request)
    elif request.batch:
        yield from _batch(name, store, request)
    else:
        yield from _single(name, store, request)


def _checked(data: bytes, subject: str) -> Request | bytes:
    """Return the request, or the status that rejects it."""
    if not data and not subject:
        return headers.status(408, "Empty Request")
    try:
        request = parse_request(data) if data else EMPTY
    except ValueError:
        return headers.status(408, "Malformed Request")
    if subject:
        if request._replace(no_hdr=False, max_bytes=0) != EMPTY:
            return headers.status(408, "Bad Request")
        return request._replace(last_by_subj=subject)
    asks = request.seq or request.last_by_subj or request.next_by_subj or request.multi_last
    if not asks and request.start_time is None:
        return headers.status(408, "Empty Request")
    return headers.status(408, "Bad Request") if request.is_contradictory else request


def _single(name: str, store: Store, request: Request) -> Iterator[Answer]:
    start = _start(store, request)
    if request.next_by_subj:
        found = store.load_next(request.next_by_subj, start)
    elif start > 0:
        found = store.messages.get(start)
    else:
        found = store.load_last(request.last_by_subj)
    if found is None:
        yield headers.status(404, "Message Not Found"), b""
    elif request.no_hdr:
        yield b"", found.data
    else:
        yield headers.appended(found.headers, origin_lines(name, found)), found.data


def _batch(name: str, store: Store, request: Request) -> Iterator[Answer]:
    start = _start(store, request)
    pending = store.pending(request.next_by_subj, start)
    count = last = size = 0
    maximum = request.max_bytes or DEFAULT_MAX_BYTES
    messages = store.iterate(request.next_by_subj, start)
    while count < request.batch:
        message = next(messages, None)
        if message is None:
            if request.batch > 1 and count:
                break
            yield headers.status(404, "Message Not Found"), b""
            return
        if not request.no_hdr:
            pending = max(pending - 1, 0)
        yield _in_batch(name, message, pending, last, request)
        count, last = count + 1, message.sequence
        size += _size(message)
        if size >= maximum:
            break
    lines = f"Nats-Num-Pending: {pending}\r\nNats-Last-Sequence: {last}\r\n"
    yield headers.status(204, "EOB", lines), b""


def _multi_last(name: str, store: Store, request: Request) -> Iterator[Answer]:
    up_to = request.up_to_seq
    if request.up_to_time is not None:
        up_to = store.sequence_at(request.up_to_time)
        if up_to <= store.first:
            yield headers.status(404, "No Results"), b""
            return
        up_to -= 1
    up_to = up_to or store.last
    # A file store finds nothing, instead of everything, when asked for a future sequence.
    is_ahead = store.is_file and up_to > store.last
    sequences = [] if is_ahead else store.last_sequences(request.multi_last, up_to, MAX_RESULTS)
    if sequences is None:
        yield headers.status(413, "Too Many Results"), b""
        return
    if not sequences:
        yield headers.status(404, "No Results"), b""
        return
    pending, count, last, size = len(sequences), 0, 0, 0
    maximum = request.max_bytes or DEFAULT_MAX_BYTES
    for sequence in sequences:
        pending -= 1
        if sequence < request.seq:
            continue
        message = store.messages[sequence]
        yield _in_batch(name, message, pending, last, request._replace(no_hdr=False))
        count, last = count + 1, sequence
        size += _size(message)
        if size >= maximum or 0 < request.batch <= count:
            break
    lines = f"Nats-Num-Pending: {pending}\r\nNats-Last-Sequence: {last}\r\nNats-UpTo-Sequence: {up_to}\r\n"
    yield headers.status(204, "EOB", lines), b""


def _in_batch(name: str, message: Stored, pending: int, last: int, request: Request) -> Answer:
    if request.no_hdr:
        return b"", message.data
    lines = origin_lines(name, message) + b"Nats-Num-Pending: %d\r\nNats-Last-Sequence: %d\r\n" % (
        pending,
        last,
    )
    return headers.appended(message.headers, lines), message.data


def _start(store: Store, request: Request) -> int:
    return request.seq if request.start_time is None else store.sequence_at(request.start_time)


def _size(message: Stored) -> int:
    return len(message.subject.encode()) + len(message.headers) + len(message.data)
