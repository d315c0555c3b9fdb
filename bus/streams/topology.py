"""The streams as data. Nothing here is sent; `provision` makes the bus so.

No stream that holds money has a bound in bytes of its own: one that discards old messages would forget silently, and
one that refuses has to be set aside from the store beforehand. The store's bound is the server's (`max_file`): when it is
reached every file stream refuses new messages (NoSpace) and keeps all it has, until there is space again.
"""

from dataclasses import dataclass
from enum import StrEnum

from schemas.subjects import Stream

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
YEAR_NS = 365 * 24 * 3600 * SECOND_NS
UNBOUNDED = -1

LIVE_PREFIX = "live."
"""What a stream has stored it publishes again under this prefix, with its sequence: see `bus.levels`."""


class Storage(StrEnum):
    """Where a stream's messages are."""

    FILE = "file"
    MEMORY = "memory"
    """Gone when the server ends, and the stream with them."""


class Discard(StrEnum):
    """What a full stream does."""

    OLD = "old"
    NEW = "new"
    """It refuses. A bound per subject still discards the subject's oldest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """What we ask of a stream. What is not named here is the operator's to choose."""

    name: str
    description: str
    subjects: tuple[str, ...]
    storage: Storage = Storage.FILE
    discard: Discard = Discard.NEW
    max_age_ns: int = 0
    """0 is for ever."""
    max_messages_per_subject: int = UNBOUNDED
    max_bytes: int = UNBOUNDED
    allow_message_ttl: bool = False
    is_bucket: bool = False
    """A key-value bucket, as the clients of NATS know it."""


def _stream(name: Stream, root: str, description: str, **bounds: int) -> StreamConfig:
    return StreamConfig(
        name=name,
        description=description,
        subjects=(f"{root}.>",),
        max_age_ns=bounds.get("max_age_ns", 0),
        max_messages_per_subject=bounds.get("per_subject", UNBOUNDED),
    )


STREAMS = (
    StreamConfig(
        name=Stream.MARKET,
        description="What the market does: tickers, trades, candles, feeds, clocks",
        subjects=("market.>",),
        storage=Storage.MEMORY,
        discard=Discard.OLD,
        max_age_ns=10 * MINUTE_NS,
        max_bytes=256 * 1024 * 1024,
    ),
    _stream(Stream.CANDLES, "candle", "Closed candles, each once", per_subject=1500),
    _stream(Stream.ORDERS, "order", "Intents, reports, own trades, funding", max_age_ns=YEAR_NS),
    _stream(Stream.ACCOUNT, "account", "Levels: balances, positions, open orders", per_subject=100),
    _stream(Stream.JOURNAL, "journal", "The engine's steps and grids", per_subject=10_000),
    _stream(Stream.ENGINE, "engine", "What the engine decided, booked and found", max_age_ns=YEAR_NS),
    _stream(Stream.CONTROL, "control", "Commands and their results", max_age_ns=YEAR_NS),
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
    _bucket("symbols", "The roster, with initial settings"),
    _bucket("portfolios", "Limits over all symbols of a venue"),
    _bucket("lease", "Who tries to run what", Storage.MEMORY),
)
