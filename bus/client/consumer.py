"""The JetStream consumer of a reader: start position, configuration, pull requests, delivery metadata."""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, assert_never

import msgspec

from schemas.units import SECOND_NS

INACTIVE_THRESHOLD_NS = 30 * SECOND_NS
"""The server deletes a consumer that was not pulled from for this long."""
PULL_EXPIRES_NS = 30 * SECOND_NS
HEARTBEAT_NS = SECOND_NS // 2


@dataclass(frozen=True, slots=True)
class FromSequence:
    """Start at this sequence, which must be stored or be the next one; 0 and 1 mean the oldest message."""

    sequence: int


@dataclass(frozen=True, slots=True)
class LastPerSubject:
    """Start with the last message of each subject, then continue with all new messages."""


@dataclass(frozen=True, slots=True)
class FromStart:
    """Start with the oldest message."""


@dataclass(frozen=True, slots=True)
class FromTime:
    """Start with the first message stored at or after this time."""

    time_ns: int


@dataclass(frozen=True, slots=True)
class NewOnly:
    """Start with the first message stored from now on."""


Start = FromSequence | LastPerSubject | FromStart | FromTime | NewOnly


def consumer_prefix(bus_name: str, inbox: str) -> str:
    """Return the start of the names of a reader's consumers, by its connection's name: `gateway-sim2-x7Qk2...`.

    `inbox` makes it unique: `_INBOX.x7Qk2...`.
    """
    return f"{re.sub('[^A-Za-z0-9_-]', '-', bus_name)}-{inbox.strip('.').rpartition('.')[2]}"


class ConsumerInfo(msgspec.Struct, frozen=True):
    """The reply to CONSUMER.CREATE."""

    num_pending: int = 0


class Delivery(NamedTuple):
    """The metadata in the reply subject of a delivered message."""

    stream_sequence: int
    consumer_sequence: int
    time_ns: int
    pending: int
    """Number of further messages for the consumer at the time of delivery."""


def delivery_of(reply: str) -> Delivery:
    """Parse the reply subject of a delivered message.

        $JS.ACK.ORDERS.reader.1.42.7.1795237827659794879.3

    The tokens after ACK are stream, consumer, delivery count, stream sequence, consumer sequence, time and pending.
    """
    tokens = reply.split(".")
    # With a domain, domain and account hash precede the stream, and a random token follows at the end.
    at = 5 if len(tokens) == 9 else 7
    return Delivery(int(tokens[at]), int(tokens[at + 1]), int(tokens[at + 2]), int(tokens[at + 3]))


def consumer_config(name: str, filters: Sequence[str], start: Start) -> dict[str, object]:
    """Return the configuration of an ephemeral consumer, used by one reader."""
    return {
        "name": name,
        "description": "ordered reader",
        "ack_policy": "none",
        "replay_policy": "instant",
        "filter_subjects": list(filters),
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": INACTIVE_THRESHOLD_NS,
        **_deliver(start),
    }


def pull_request(batch: int) -> bytes:
    """Return the body of a pull request for up to `batch` messages, stored or future."""
    return msgspec.json.encode({"batch": batch, "expires": PULL_EXPIRES_NS, "idle_heartbeat": HEARTBEAT_NS})


def _deliver(start: Start) -> dict[str, object]:
    match start:
        case FromSequence(sequence):
            return {"deliver_policy": "by_start_sequence", "opt_start_seq": sequence}
        case LastPerSubject():
            return {"deliver_policy": "last_per_subject"}
        case FromStart():
            return {"deliver_policy": "all"}
        case FromTime(time_ns):
            seconds, rest = divmod(time_ns, SECOND_NS)
            moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
            text = f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
            return {"deliver_policy": "by_start_time", "opt_start_time": text}
        case NewOnly():
            return {"deliver_policy": "new"}
        case _:
            assert_never(start)
