"""Requests of the gateway to the venue, each recorded after its outcome: `order.V.S.request`."""

from enum import StrEnum

import msgspec

from schemas.units import ClientOrderId, Symbol, TimeNs, VenueId
from schemas.venue.orders import RejectReason


class RequestAction(StrEnum):
    """What a request asks the venue to do with an order."""

    PLACE = "place"
    CANCEL = "cancel"
    QUERY = "query"


class RequestOutcome(StrEnum):
    """How a request ended, as far as the gateway knows."""

    ACCEPTED = "accepted"
    """The venue carried it out."""
    REJECTED = "rejected"
    UNKNOWN_ORDER = "unknown_order"
    """The venue knows no such order."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """Sent, and not answered in a readable way: it may have been carried out."""
    UNREACHABLE = "unreachable"
    """There was no connection to the venue, so nothing was sent."""
    OVERLOADED = "overloaded"
    """The venue refused it because of its rate limit or load."""
    NOT_SENT = "not_sent"
    """The gateway's own checks refused it."""
    INHERITED = "inherited"
    """A gateway took over an order that an earlier one may have sent. It does not send it; it queries the order."""


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One request of the gateway for one order, written after its outcome. Not an input of the engine.

    The records of a gateway that crashed may be missing: its successor writes an `inherited` one for each order without a
    known outcome.
    """

    venue: VenueId
    symbol: Symbol
    action: RequestAction
    client_order_id: ClientOrderId
    attempt: int
    """1 for the first request of its kind in a series of retries; a placement is attempted once."""
    outcome: RequestOutcome
    intent_sequence: int | None = None
    """Of a placement: the ORDERS sequence of the intent that names it, if known."""
    sent: TimeNs | None = None
    """Wall-clock time of sending; None when nothing was sent, or an earlier gateway may have sent it."""
    answered: TimeNs | None = None
    """Wall-clock time of the venue's answer; None without an answer."""
    error: str = ""
    """The class of the error; empty when the venue carried the request out."""
    reject_reason: RejectReason | None = None
    detail: str = ""
    """The message of the venue, or of the gateway."""
    time: TimeNs
    """Wall-clock time of the record."""
