"""The configuration of streams and buckets, as data. `provision` creates them.

Streams with trading data have no size limit of their own. With `discard: old` a full stream would lose data silently, and
with `discard: new` its size would have to be reserved in advance. The size of the store as a whole is limited by the
server (`max_file`): when it is full, all file streams reject new messages (NoSpace) and keep what they have until there
is space again.
"""

from dataclasses import dataclass
from enum import StrEnum

from schemas.subjects import Stream
from schemas.units import SECOND_NS

MINUTE_NS = 60 * SECOND_NS
YEAR_NS = 365 * 24 * 3600 * SECOND_NS
UNBOUNDED = -1

LIVE_PREFIX = "live."
"""Streams republish stored messages under this prefix, with their sequence: see `bus.streams.latest`."""


class Storage(StrEnum):
    """Where a stream keeps its messages."""

    FILE = "file"
    MEMORY = "memory"
    """Stream and messages are lost when the server ends."""


class Discard(StrEnum):
    """What a full stream does with a new message."""

    OLD = "old"
    """Store it and discard the oldest."""
    NEW = "new"
    """Reject it. A limit per subject still discards the subject's oldest message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """The configuration of a stream. All other options are left to the operator."""

    name: str
    description: str
    subjects: tuple[str, ...]
    storage: Storage = Storage.FILE
    discard: Discard = Discard.NEW
    max_age_ns: int = 0
    """0 is unlimited."""
    max_messages_per_subject: int = UNBOUNDED
    max_bytes: int = UNBOUNDED
    allow_message_ttl: bool = False
    is_bucket: bool = False
    """Whether it is a key-value bucket."""


def _stream(name: Stream, root: str, description: str, **limits: int) -> StreamConfig:
    return StreamConfig(
        name=name,
        description=description,
        subjects=(f"{root}.>",),
        max_age_ns=limits.get("max_age_ns", 0),
        max_messages_per_subject=limits.get("per_subject", UNBOUNDED),
    )


STREAMS = (
    StreamConfig(
        name=Stream.MARKET,
        description="Market data: tickers, trades, candles, feed states, clocks",
        subjects=("market.>",),
        storage=Storage.MEMORY,
        discard=Discard.OLD,
        max_age_ns=10 * MINUTE_NS,
        max_bytes=256 * 1024 * 1024,
    ),
    _stream(Stream.CANDLES, "candle", "Closed candles", per_subject=1500),
    _stream(Stream.ORDERS, "order", "Order intents, order reports, own trades, funding", max_age_ns=YEAR_NS),
    _stream(Stream.ACCOUNT, "account", "Account state: balances, positions, open orders", per_subject=100),
    _stream(Stream.JOURNAL, "journal", "The engine's steps and grid views", per_subject=10_000),
    _stream(
        Stream.ENGINE, "engine", "Events of the engine: decisions, fills, risks, alerts", max_age_ns=YEAR_NS
    ),
    _stream(Stream.ALERTS, "alert", "Alerts for operators, from all parts", max_age_ns=YEAR_NS),
    _stream(Stream.CONTROL, "control", "Commands and their results", max_age_ns=YEAR_NS),
    StreamConfig(
        name=Stream.PARTS,
        description="Heartbeats of the parts of the stack",
        subjects=("part.>",),
        storage=Storage.MEMORY,
        discard=Discard.OLD,
        max_age_ns=60 * MINUTE_NS,
        max_messages_per_subject=1,
    ),
)


def _bucket(name: str, description: str, storage: Storage = Storage.FILE) -> StreamConfig:
    return StreamConfig(
        name=f"KV_{name}",
        description=description,
        subjects=(f"$KV.{name}.>",),
        storage=storage,
        max_messages_per_subject=1,
        allow_message_ttl=storage is Storage.MEMORY,
        is_bucket=True,
    )


BUCKETS = (
    _bucket("instruments", "The trading rules of each symbol"),
    _bucket("symbols", "Traded symbols, with initial settings"),
    _bucket("portfolios", "Limits over all symbols, by quote currency"),
    _bucket("lease", "Members of process groups and their leases", Storage.MEMORY),
)
