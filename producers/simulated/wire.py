"""JSON bodies and WebSocket frames of the simulated venue's API. Decimals are strings."""

import msgspec

from producers.ports import AccountEvent, MarketEvent
from producers.simulated.matching.conditionals import NewConditional
from producers.simulated.matching.orders import NewOrder
from schemas.units import DurationNs, Price, Quantity, Ratio, Symbol, TimeNs
from schemas.venue.market import Recording
from schemas.venue.orders import RejectReason

MAX_PAGE_ROWS = 1000
"""Rows per response of /api/trades and /api/fundings.

Both list rows by time, and rows of equal time by id. `since` is the first time, in nanoseconds; the next page is that with
the time and the id of the last row as `since` and `after`: /api/trades?symbol=ETH/USDT&since=1700000000000000000&after=17
"""


class PlaceRequest(NewOrder, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /api/order.

    Example: {"symbol": "BTC/USDT:USDT", "side": "buy", "price": "54000.0", "quantity": "0.01",
    "client_order_id": "a1", "post_only": true, "timestamp": 1700000000000000000}
    """

    timestamp: TimeNs
    """Wall-clock time from which the receive window counts."""
    receive_window: DurationNs | None = None
    """Maximum age at which the request is carried out; None: the venue's default."""


class ConditionalRequest(NewConditional, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /api/conditional.

    Example: {"symbol": "BTC/USDT:USDT", "side": "sell", "trigger_price": "50000.0", "quantity": "0.01",
    "client_order_id": "s1", "timestamp": 1700000000000000000}
    """

    timestamp: TimeNs
    receive_window: DurationNs | None = None

    def in_base(self, quantity: Quantity) -> NewConditional:
        """Return the conditional order without the fields of the request, with a quantity in base currency."""
        fields = {name: getattr(self, name) for name in NewConditional.__struct_fields__}
        return NewConditional(**{**fields, "quantity": quantity})


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """Body of GET /api/marks: mark and index price of a symbol, and its next funding.

    Example: {"symbol": "BTC/USDT:USDT", "mark": "54001.2", "index": "54000.9", "funding_rate": "0.0001",
    "next_funding_time": 1700006400000000000}
    """

    symbol: Symbol
    mark: Price
    index: Price
    funding_rate: Ratio | None = None
    next_funding_time: TimeNs | None = None


class RejectionBody(msgspec.Struct, frozen=True, kw_only=True):
    """Body of a response whose status is not 200.

    Example: {"reason": "post_only_would_cross", "detail": "buy at 100.1 would trade at 100.1"}
    """

    reason: RejectReason
    detail: str


class ServerTime(msgspec.Struct, frozen=True, kw_only=True):
    """Body of GET /api/clock, and of POST /api/cancel_all_after.

    Example: {"time": 1641081600000000000, "recording": {"name": "BTCUSDT-1m-2022-01.zip", "speed": 600.0}}
    """

    time: TimeNs
    recording: Recording | None = None
    """The recording that is replayed; None on a generated market."""


class EventNumber(msgspec.Struct, frozen=True, kw_only=True):
    """Body of GET /api/sequence."""

    sequence: int


class MarketFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Frame of /ws/market: first a snapshot of the subscribed symbols, then one frame per tick."""

    tick: int
    events: tuple[MarketEvent, ...]
    account_sequence: int
    time: TimeNs
    is_last: bool = False
    is_lock_step: bool = False


class AccountFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Frame of /ws/account: first the last event number without an event, then one frame per event.

    Example of the first frame: {"sequence": 17, "event": null}
    """

    sequence: int
    event: AccountEvent | None = None
    contract_sizes: dict[Symbol, Quantity] = {}
    """In the first frame: base currency in one contract, of the symbols whose quantities are in contracts."""


class Proceed(msgspec.Struct, frozen=True, kw_only=True):
    """Message from the client on /ws/market in lock-step: tick `proceed` is processed. Repeating it has no effect.

    Example: {"proceed": 42}
    """

    proceed: int


_encoder = msgspec.json.Encoder(decimal_format="string")


def to_json(value: object) -> bytes:
    """Return the JSON of a body or a frame."""
    return _encoder.encode(value)
