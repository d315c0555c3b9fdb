"""The JetStream protocol: API replies, acknowledgements, stored messages, headers, times, stream state."""

import base64
import calendar
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeVar

import msgspec

from bus.client.headers import parse_headers
from bus.client.message import Received
from bus.client.request_reply import RawReply
from bus.client.trace_context import traceparent_to_store
from bus.errors import (
    ID_IN_PROCESS_CODES,
    STREAM_NOT_FOUND,
    Ambiguous,
    BusError,
    NoSpace,
    Rejected,
    StreamGone,
    rejection,
)
from schemas.traceparent import TRACEPARENT

T = TypeVar("T")

NO_RESPONDERS = "503"
UNAVAILABLE = 503


class ApiError(msgspec.Struct, frozen=True):
    """The error in a JetStream reply."""

    code: int = 500
    err_code: int = 0
    description: str = ""


class Reply(msgspec.Struct, frozen=True):
    """The part common to all JetStream replies."""

    error: ApiError | None = None


class Ack(Reply, frozen=True):
    """The acknowledgement of a stored message."""

    seq: int = 0


class StateInfo(msgspec.Struct, frozen=True):
    """`state` in the reply to STREAM.INFO."""

    messages: int
    bytes: int
    first_seq: int
    last_seq: int
    first_ts: str = ""


class ClusterInfo(msgspec.Struct, frozen=True):
    """`cluster` in the reply to STREAM.INFO, as far as used here."""

    leader: str = ""


class ConfigInfo(msgspec.Struct, frozen=True):
    """`config` in the reply to STREAM.INFO, as far as used here."""

    num_replicas: int = 1
    storage: str = "file"
    subjects: tuple[str, ...] = ()


class StreamInfo(msgspec.Struct, frozen=True):
    """The reply to STREAM.INFO."""

    created: str
    state: StateInfo
    ts: str = ""
    config: ConfigInfo = ConfigInfo()
    cluster: ClusterInfo = ClusterInfo()


class StreamState(NamedTuple):
    """The state of a stream at a moment."""

    created: str
    """Creation time, as given by the server. A recreated stream has a different one."""
    first: int
    """The sequence of the oldest message; `last + 1` when the stream is empty."""
    last: int
    """The last sequence assigned; 0 before the first message."""
    messages: int
    bytes: int
    replicas: int = 1
    leader: str = ""
    """The name of its leader; empty outside a cluster."""
    first_time: str = ""
    """When the oldest message was stored; empty when the stream is empty."""
    is_in_memory: bool = False
    subjects: tuple[str, ...] = ()
    """The filters of the subjects that it stores."""


class RollbackDetector:
    """Detects that a memory stream was rolled back, by comparing successive states of the stream.

    In a cluster, a memory stream is emptied when all its servers die together, and keeps its name and creation time.
    """

    def __init__(self) -> None:
        self._first = 0
        self._first_time = ""

    def is_rolled_back(self, state: StreamState, next_sequence: int | None = None) -> bool:
        """Return whether the stream was rolled back since the previous call.

        That is when its oldest message is an earlier or a different one than before, or when the stream ends before
        `next_sequence`, the sequence expected next.
        """
        if not state.is_in_memory:
            return False
        first, first_time = self._first, self._first_time
        self._first, self._first_time = state.first, state.first_time
        is_replaced = (
            state.first == first and bool(first_time and state.first_time) and state.first_time != first_time
        )
        is_short = next_sequence is not None and state.last + 1 < next_sequence
        return state.first < first or is_replaced or is_short


class StoredMessage(msgspec.Struct, frozen=True):
    """`message` in the reply to STREAM.MSG.GET; data and headers are base64."""

    subject: str
    seq: int
    time: str
    data: str = ""
    hdrs: str = ""


class FoundMessage(msgspec.Struct, frozen=True):
    """The reply to STREAM.MSG.GET."""

    message: StoredMessage


def is_no_responders(reply: RawReply) -> bool:
    """Return whether a reply is the server's status 503: the subject has no subscriber."""
    return not reply.data and reply.status == NO_RESPONDERS


def stored_sequence_parser(subject: str) -> Callable[[RawReply], int]:
    """Return a parser for the acknowledgement of a message stored on `subject`: `{"stream":"ORDERS","seq":42}`."""

    def parse(reply: RawReply) -> int:
        if is_no_responders(reply):
            raise StreamGone(subject)
        ack = _ack_decoder.decode(reply.data)
        if ack.error is not None:
            raise _not_stored(subject, ack.error)
        if not ack.seq:
            raise Ambiguous(f"the reply to a message stored on {subject} is not an acknowledgement")
        return ack.seq

    return parse


def _not_stored(subject: str, error: ApiError) -> BusError:
    rejected = rejection(error.err_code, error.description, error.code)
    # A leader that steps down replies 503, although followers may already have stored the message.
    is_temporary = error.code == UNAVAILABLE and not isinstance(rejected, NoSpace)
    if is_temporary or error.err_code in ID_IN_PROCESS_CODES:
        return Ambiguous(f"{subject}: {rejected}")
    return rejected


def api_reply_parser(endpoint: str, kind: type[T]) -> Callable[[RawReply], T]:
    """Return a parser for the replies of a JetStream API endpoint."""

    def parse(reply: RawReply) -> T:
        if is_no_responders(reply):
            raise Rejected(503, "JetStream is not available", 503)
        error = _reply_decoder.decode(reply.data).error
        if error is None:
            return msgspec.json.decode(reply.data, type=kind)
        if error.err_code == STREAM_NOT_FOUND:
            raise StreamGone(endpoint.rpartition(".")[2])
        raise rejection(error.err_code, error.description, error.code)

    return parse


def state_of(info: StreamInfo) -> StreamState:
    """Return the stream state in a reply to STREAM.INFO."""
    state = info.state
    first = state.first_seq if state.messages else state.last_seq + 1
    return StreamState(
        info.created,
        first,
        state.last_seq,
        state.messages,
        state.bytes,
        info.config.num_replicas,
        info.cluster.leader,
        state.first_ts if state.messages else "",
        info.config.storage == "memory",
        info.config.subjects,
    )


def received(stream: str, stored: StoredMessage) -> Received:
    """Return the message in a reply to STREAM.MSG.GET."""
    headers = parse_headers(base64.b64decode(stored.hdrs)) if stored.hdrs else {}
    data = base64.b64decode(stored.data)
    return Received(stored.subject, data, headers, stream, stored.seq, parse_time_ns(stored.time))


def parse_time_ns(text: str) -> int:
    """Return a server time in nanoseconds since the epoch: `2026-11-21T05:10:27.659794879Z`."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return _seconds(whole) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)


@lru_cache(maxsize=64)
def _seconds(text: str) -> int:
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


def store_headers(
    event: msgspec.Struct,
    message_id: str | None,
    expect_last: int | None,
    expect_subject: str | None,
    more: Mapping[str, str] | None,
) -> Mapping[str, str]:
    """Return the headers of an event to be stored now, in the current trace context."""
    headers = {"content-type": "application/json", "schema": _schema(type(event))}
    if message_id is not None:
        headers["Nats-Msg-Id"] = message_id
    if expect_last is not None:
        headers["Nats-Expected-Last-Subject-Sequence"] = str(expect_last)
    if expect_subject is not None:
        assert expect_last is not None, "expect_subject needs the sequence to expect"
        headers["Nats-Expected-Last-Subject-Sequence-Subject"] = expect_subject
    if traceparent := traceparent_to_store(message_id):
        headers[TRACEPARENT] = traceparent
    if more:
        headers.update(more)
    return headers


@lru_cache(maxsize=256)
def _schema(kind: type[msgspec.Struct]) -> str:
    tag = kind.__struct_config__.tag
    return tag if isinstance(tag, str) else kind.__name__


_ack_decoder = msgspec.json.Decoder(Ack)
_reply_decoder = msgspec.json.Decoder(Reply)
