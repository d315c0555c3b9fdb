"""Policy for WebSocket handshakes: origin, authentication, rate limits, requested topics.

Example of a request: `GET /ws?symbol=BTCUSDT&venue=sim&interval=1m`.
"""

import math
from typing import NamedTuple
from urllib.parse import parse_qs

from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request

from liveserver.auth import error_responses
from liveserver.auth.addresses import rate_limit_key
from liveserver.auth.authenticator import Authenticator, RequestInfo, check_query, is_allowed_origin
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import CredentialSource, Identity
from liveserver.auth.settings import Access, RateLimits
from liveserver.protocol.client_messages import MAX_TOPICS, RequestedTopic

WEBSOCKET_PATH = "/ws"

NO_AUTHENTICATION = Access(
    trust_network=True,
    rates=RateLimits(connects_burst=math.inf, handshakes_burst=math.inf, messages_burst=math.inf),
)


class AcceptedHandshake(NamedTuple):
    """An accepted handshake: identity, address, lifetime, requested topics."""

    topics: list[RequestedTopic]
    identity: Identity
    address: str
    """The client's `rate_limit_key`."""
    lifetime_s: float | None = None
    """Time until the token expires; None if it does not."""


class HandshakePolicy:
    """The rules for handshakes.

    Without an authenticator every client is an administrator without rate limits; only the origin, and that there is
    no token in the URL, are checked.
    """

    def __init__(
        self, allowed_origins: frozenset[str] = frozenset(), authenticator: Authenticator | None = None
    ) -> None:
        self.authenticator = authenticator or Authenticator(NO_AUTHENTICATION, allowed_origins)

    def check(self, request: Request, peer: str = "", now: float = 0.0) -> AcceptedHandshake | ErrorResponse:
        """Return the accepted handshake, or the error to answer. `now` is in monotonic seconds."""
        path, _, query_text = request.path.partition("?")
        if path != WEBSOCKET_PATH:
            return ErrorResponse(404, "not_found", f"no WebSocket at {path}", f"connect to {WEBSOCKET_PATH}")
        try:
            info = _request_info(request.headers, self.authenticator, peer)
        except MultipleValuesError as error:
            return ErrorResponse(400, "bad_request", f"duplicate header {error}")
        query = query_text.encode("latin-1", "replace")
        address = rate_limit_key(info.address)
        identity = self._check_request(info, query, now) or self._authenticate(info, now)
        if isinstance(identity, ErrorResponse):
            return identity
        if (limited := self.authenticator.check_handshake_rate(identity, address, now)) is not None:
            return limited
        lifetime_s = None if identity.expires is None else identity.expires - self.authenticator.wall_clock()
        return AcceptedHandshake(topics_in(query), identity, address, lifetime_s)

    def _check_request(self, info: RequestInfo, query: bytes, now: float) -> ErrorResponse | None:
        handshakes = self.authenticator.handshakes
        if not handshakes.spend(rate_limit_key(info.address), now):
            retry_after_s = handshakes.retry_after_s
            return self._reject(error_responses.TOO_MANY_REQUESTS._replace(retry_after_s=retry_after_s))
        if (error := check_query(query)) is not None:
            return self._reject(error)
        if not is_allowed_origin(info.origin, info.host, self.authenticator.allowed_origins):
            return self.authenticator.reject_origin(info)
        return None

    def _authenticate(self, info: RequestInfo, now: float) -> Identity | ErrorResponse:
        identity = self.authenticator.authenticate(info, now)
        if isinstance(identity, ErrorResponse):
            return identity
        # Browsers attach cookies to requests of any page, so a cookie does not vouch for the page.
        is_cookie = identity.source is CredentialSource.COOKIE
        if is_cookie and info.origin is not None and not self.authenticator.is_own_page(info):
            return self.authenticator.reject_origin(info)
        return identity

    def _reject(self, error: ErrorResponse) -> ErrorResponse:
        self.authenticator.count_rejection(error.error)
        return error


def topics_in(query: bytes) -> list[RequestedTopic]:
    """Return the topics in a query: one per `symbol`, all of the same `venue` and `interval`.

    `b"symbol=BTCUSDT&symbol=*&interval=5m"` has two topics. Without `symbol` there is one, the default symbol.
    """
    fields = parse_qs(query.decode("latin-1"))
    venue, interval = (fields.get(name, [""])[0] for name in ("venue", "interval"))
    return [RequestedTopic(symbol, venue, interval) for symbol in fields.get("symbol", [""])[:MAX_TOPICS]]


def _request_info(headers: Headers, authenticator: Authenticator, peer: str) -> RequestInfo:
    subprotocols = ",".join(headers.get_all("Sec-WebSocket-Protocol"))
    return RequestInfo(
        address=authenticator.proxies.client_address(peer, headers.get_all("X-Forwarded-For")),
        host=_single(headers, "Host"),
        origin=_single(headers, "Origin"),
        authorization=_single(headers, "Authorization"),
        cookie="; ".join(headers.get_all("Cookie")),
        subprotocols=[each.strip() for each in subprotocols.split(",") if each.strip()],
    )


def _single(headers: Headers, name: str) -> str | None:
    try:
        return headers[name]
    except KeyError:
        return None
