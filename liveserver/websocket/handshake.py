"""Which WebSocket may be opened, and what it asks for: decided on the handshake alone."""

import math
from typing import NamedTuple
from urllib.parse import parse_qs

from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request

from liveserver.auth import refusals
from liveserver.auth.addresses import counted_as
from liveserver.auth.authenticator import Asking, Guard, has_token, may_connect
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import Identity, Via
from liveserver.auth.settings import Access, RateLimits
from liveserver.protocol.client_messages import TOPICS_LIMIT
from liveserver.view.topics import Wanted

SOCKET_PATH = "/ws"

UNGUARDED = Access(trust_network=True, rates=RateLimits(handshakes_burst=math.inf, messages_burst=math.inf))


class Admission(NamedTuple):
    """Who comes in, from where, for how long, and what it wants to see."""

    wanted: list[Wanted]
    identity: Identity
    address: str
    """What it is counted as."""
    lasts_s: float | None = None
    """Until its token expires; None is for ever."""


class Door:
    """The rules for connecting. Without a guard it asks for nothing but an allowed origin."""

    def __init__(self, allowed_origins: frozenset[str] = frozenset(), guard: Guard | None = None) -> None:
        self.guard = guard or Guard(UNGUARDED, allowed_origins)

    def admit(self, request: Request, peer: str = "", now: float = 0.0) -> Admission | Refusal:
        """Return who comes in and what it asks for, or why it may not connect. `now` is monotonic."""
        path, _, query = request.path.partition("?")
        if path != SOCKET_PATH:
            return Refusal(404, "not_found", f"there is no socket at {path}")
        try:
            asking = _asking(request.headers, self.guard, peer)
        except MultipleValuesError as error:
            return Refusal(400, "bad_request", f"more than one {error}")
        asked_for = query.encode("latin-1", "replace")
        identity = self._why_not(asking, asked_for, now) or self._identify(asking, now)
        if isinstance(identity, Refusal):
            return identity
        lasts_s = None if identity.expires is None else identity.expires - self.guard.wall_clock()
        return Admission(topics(asked_for), identity, counted_as(asking.address), lasts_s)

    def _why_not(self, asking: Asking, query: bytes, now: float) -> Refusal | None:
        guard = self.guard
        if not guard.handshakes.spend(counted_as(asking.address), now):
            return self._no(refusals.TOO_MANY_REQUESTS._replace(retry_after_s=guard.handshakes.wait_s))
        if has_token(query):
            return self._no(refusals.TOKEN_IN_QUERY)
        if not may_connect(asking.origin, asking.host, guard.allowed_origins):
            return self._no(refusals.FOREIGN_ORIGIN)
        return None

    def _identify(self, asking: Asking, now: float) -> Identity | Refusal:
        identity = self.guard.identify(asking, now)
        if isinstance(identity, Refusal):
            return identity
        # A cookie comes along by itself: it is no reason to let any page in.
        if identity.via is Via.COOKIE and asking.origin is not None and not self.guard.is_own_page(asking):
            return self._no(refusals.FOREIGN_ORIGIN)
        return identity

    def _no(self, why: Refusal) -> Refusal:
        self.guard.count(why.error)
        return why


def wanted(query: bytes) -> Wanted:
    """Return what `?symbol=&venue=&interval=` asks for."""
    return topics(query)[0]


def topics(query: bytes) -> list[Wanted]:
    """Return all that is asked for: `symbol` may be there several times."""
    fields = parse_qs(query.decode("latin-1"))
    venue, interval = (fields.get(name, [""])[0] for name in ("venue", "interval"))
    return [Wanted(symbol, venue, interval) for symbol in fields.get("symbol", [""])[:TOPICS_LIMIT]]


def _asking(headers: Headers, guard: Guard, peer: str) -> Asking:
    offered = ",".join(headers.get_all("Sec-WebSocket-Protocol"))
    return Asking(
        address=guard.proxies.origin_of(peer, headers.get_all("X-Forwarded-For")),
        host=_single(headers, "Host"),
        origin=_single(headers, "Origin"),
        authorization=_single(headers, "Authorization"),
        cookie="; ".join(headers.get_all("Cookie")),
        subprotocols=[each.strip() for each in offered.split(",") if each.strip()],
    )


def _single(headers: Headers, name: str) -> str | None:
    try:
        return headers[name]
    except KeyError:
        return None
