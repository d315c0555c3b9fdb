"""The consumer behind a reader: where it starts, how it is asked for messages, how it names them."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, assert_never

import msgspec

SECOND_NS = 1_000_000_000
FORGOTTEN_AFTER_NS = 30 * SECOND_NS
"""A consumer that nobody pulls from is deleted by the server."""
PULL_EXPIRES_NS = 30 * SECOND_NS
HEARTBEAT_NS = SECOND_NS // 2


@dataclass(frozen=True, slots=True)
class FromSequence:
    """From this sequence on, which has to be there or be the next; up to 1 means from the oldest there is."""

    sequence: int


@dataclass(frozen=True, slots=True)
class LastPerSubject:
    """The last message of each subject, then whatever follows."""


@dataclass(frozen=True, slots=True)
class FromStart:
    """From the oldest there is."""


@dataclass(frozen=True, slots=True)
class FromTime:
    """From the first message stored at this time or later."""

    time_ns: int


@dataclass(frozen=True, slots=True)
class NewOnly:
    """What is stored from now on."""


Start = FromSequence | LastPerSubject | FromStart | FromTime | NewOnly


class ConsumerInfo(msgspec.Struct, frozen=True):
    """The answer to CONSUMER.CREATE."""

    num_pending: int = 0


class Delivery(NamedTuple):
    """What the reply subject of a delivered message says."""

    stream_sequence: int
    consumer_sequence: int
    time_ns: int
    pending: int
    """How many more there were for the consumer when this one was sent."""


def delivery_of(reply: str) -> Delivery:
    """Return what a reply subject says, `$JS.ACK.<stream>.<consumer>.<delivered>.<sequences>.<time>.<pending>`."""
    tokens = reply.split(".")
    # A server with a domain puts it, and the account, before the stream, and something random behind.
    at = 5 if len(tokens) == 9 else 7
    return Delivery(int(tokens[at]), int(tokens[at + 1]), int(tokens[at + 2]), int(tokens[at + 3]))


def consumer_config(name: str, filters: Sequence[str], start: Start) -> dict[str, object]:
    """Return the configuration of a consumer that only this reader uses."""
    return {
        "name": name,
        "description": "an ordered reader",
        "ack_policy": "none",
        "replay_policy": "instant",
        "filter_subjects": list(filters),
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": FORGOTTEN_AFTER_NS,
        **_deliver(start),
    }


def pull_request(batch: int) -> bytes:
    """Return the body of a request for up to `batch` messages, now and as they come."""
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
