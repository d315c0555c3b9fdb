"""What JetStream says and is told: answers, acknowledgements, stored messages, headers, times."""

import base64
import calendar
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeVar

import msgspec
from nats.aio.msg import Msg

from bus.client.headers import parse_headers
from bus.client.message import Received
from bus.errors import (
    ID_IN_PROCESS_CODES,
    STREAM_NOT_FOUND,
    Ambiguous,
    BusError,
    NoSpace,
    Refused,
    StreamGone,
    refusal,
)

T = TypeVar("T")

NO_RESPONDERS = "503"
UNAVAILABLE = 503


class ApiError(msgspec.Struct, frozen=True):
    """How JetStream says no."""

    code: int = 500
    err_code: int = 0
    description: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What every answer of JetStream may have."""

    error: ApiError | None = None


class Ack(Answer, frozen=True):
    """JetStream's answer to a stored message, or a refused one."""

    seq: int = 0


class State(msgspec.Struct, frozen=True):
    """What a stream holds, as the server counts it."""

    messages: int
    bytes: int
    first_seq: int
    last_seq: int
    first_ts: str = ""


class Peers(msgspec.Struct, frozen=True):
    """Who has a stream, as far as we look at it."""

    leader: str = ""


class Kept(msgspec.Struct, frozen=True):
    """A stream's configuration, as far as we look at it."""

    num_replicas: int = 1
    storage: str = "file"


class StreamInfo(msgspec.Struct, frozen=True):
    """The answer to STREAM.INFO."""

    created: str
    state: State
    config: Kept = Kept()
    cluster: Peers = Peers()


class StreamState(NamedTuple):
    """What a stream holds now."""

    created: str
    """As the server writes it: another one tells a stream that was made anew."""
    first: int
    """The sequence of the oldest message; one more than `last` when there is none."""
    last: int
    messages: int
    bytes: int
    replicas: int = 1
    leader: str = ""
    """The name of the server that leads it; empty outside a cluster."""
    first_time: str = ""
    """When the oldest message was stored; empty when there is none."""
    is_in_memory: bool = False


class StoredMessage(msgspec.Struct, frozen=True):
    """A message in the answer to STREAM.MSG.GET."""

    subject: str
    seq: int
    time: str
    data: str = ""
    hdrs: str = ""


class FoundMessage(msgspec.Struct, frozen=True):
    """The answer to STREAM.MSG.GET."""

    message: StoredMessage


def is_unanswerable(message: Msg) -> bool:
    """Tell whether the server says that nobody listens on the subject."""
    return not message.data and (message.headers or {}).get("Status") == NO_RESPONDERS


def stored_sequence(subject: str) -> Callable[[Msg], int]:
    """Return the parser of acknowledgements of what is stored on a subject."""

    def parse(message: Msg) -> int:
        if is_unanswerable(message):
            raise StreamGone(subject)
        ack = _ack_decoder.decode(message.data)
        if ack.error is not None:
            raise _not_stored(subject, ack.error)
        if not ack.seq:
            raise Ambiguous(f"an answer on {subject} that is no acknowledgement")
        return ack.seq

    return parse


def _not_stored(subject: str, error: ApiError) -> BusError:
    refused = refusal(error.err_code, error.description, error.code)
    # A leader that steps down is unavailable also to what its followers may have taken from it.
    is_passing = error.code == UNAVAILABLE and not isinstance(refused, NoSpace)
    if is_passing or error.err_code in ID_IN_PROCESS_CODES:
        return Ambiguous(f"{subject}: {refused}")
    return refused


def api_answer(endpoint: str, kind: type[T]) -> Callable[[Msg], T]:
    """Return the parser of answers of a JetStream endpoint."""

    def parse(message: Msg) -> T:
        if is_unanswerable(message):
            raise Refused(503, "JetStream is not available", 503)
        error = _answer_decoder.decode(message.data).error
        if error is None:
            return msgspec.json.decode(message.data, type=kind)
        if error.err_code == STREAM_NOT_FOUND:
            raise StreamGone(endpoint.rpartition(".")[2])
        raise refusal(error.err_code, error.description, error.code)

    return parse


def state_of(info: StreamInfo) -> StreamState:
    """Return the state in an answer to STREAM.INFO."""
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
    )


def received(stream: str, stored: StoredMessage) -> Received:
    """Return the message in an answer to STREAM.MSG.GET."""
    headers = parse_headers(base64.b64decode(stored.hdrs)) if stored.hdrs else {}
    data = base64.b64decode(stored.data)
    return Received(stored.subject, data, headers, stream, stored.seq, parse_time_ns(stored.time))


def parse_time_ns(text: str) -> int:
    """Return nanoseconds since the epoch for a time as the server writes it, `2026-11-21T05:10:27.659794879Z`."""
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
    """Return the headers that an event is stored with."""
    headers = {"content-type": "application/json", "schema": _schema(type(event))}
    if message_id is not None:
        headers["Nats-Msg-Id"] = message_id
    if expect_last is not None:
        headers["Nats-Expected-Last-Subject-Sequence"] = str(expect_last)
    if expect_subject is not None:
        assert expect_last is not None, "expect_subject needs the sequence to expect"
        headers["Nats-Expected-Last-Subject-Sequence-Subject"] = expect_subject
    if more:
        headers.update(more)
    return headers


@lru_cache(maxsize=256)
def _schema(kind: type[msgspec.Struct]) -> str:
    tag = kind.__struct_config__.tag
    return tag if isinstance(tag, str) else kind.__name__


_ack_decoder = msgspec.json.Decoder(Ack)
_answer_decoder = msgspec.json.Decoder(Answer)
