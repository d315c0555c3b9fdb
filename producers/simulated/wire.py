"""What goes over HTTP and WebSocket between the simulated venue and its client: JSON, decimals as strings."""

import msgspec

from producers.ports import AccountEvent, MarketEvent
from producers.simulated.matching.orders import NewOrder
from schemas.units import DurationNs, TimeNs
from schemas.venue.orders import RejectReason

TRADES_A_PAGE = 1000


class PlaceRequest(NewOrder, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /api/order."""

    timestamp: TimeNs
    """When it was sent, by the wall clock."""
    receive_window: DurationNs | None = None
    """How long after that it may still be carried out."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Body of an answer that is not 200."""

    reason: RejectReason
    detail: str


class ServerTime(msgspec.Struct, frozen=True, kw_only=True):
    """Body of GET /api/clock."""

    time: TimeNs


class EventNumber(msgspec.Struct, frozen=True, kw_only=True):
    """Body of GET /api/sequence."""

    sequence: int


class MarketFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What the market stream sends: first how everything stands, then every tick."""

    tick: int
    events: tuple[MarketEvent, ...]
    account_sequence: int
    time: TimeNs
    is_last: bool = False
    is_lock_step: bool = False


class AccountFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What the account stream sends: first the number it begins after, then every event."""

    sequence: int
    event: AccountEvent | None = None


class Proceed(msgspec.Struct, frozen=True, kw_only=True):
    """What the client of a lock-step market sends on the market stream: a tick is done with. Sent twice, it counts once."""

    proceed: int


_encoder = msgspec.json.Encoder(decimal_format="string")


def to_json(value: object) -> bytes:
    """Return the JSON of a body or a frame."""
    return _encoder.encode(value)
