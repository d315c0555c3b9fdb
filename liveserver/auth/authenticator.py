"""Who asks, decided for every request and every handshake alike: by token, cookie, or where it comes from.

Authorization: Bearer  >  subprotocol bearer.TOKEN  >  cookie  >  nothing
"""

import time
from collections.abc import Callable, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from bus import get_logger
from liveserver.auth import refusals
from liveserver.auth.addresses import Proxies, counted_as, is_name_of_this_machine
from liveserver.auth.credentials import KEY_PREFIX, Credentials, NotIdentified
from liveserver.auth.rate_limit import Allowances
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import ANYBODY, LOCAL, Action, Identity, Via
from liveserver.auth.settings import Access

COOKIE = "opensqt_session"
BEARER_SUBPROTOCOL = "bearer."
ANY_ORIGIN = "*"

Count = Callable[[str], None]
"""Counts a refusal by its error."""


class Asking(NamedTuple):
    """What a request shows of who sends it."""

    address: str = ""
    """Behind proxies that are trusted: of the client."""
    host: str | None = None
    origin: str | None = None
    authorization: str | None = None
    cookie: str | None = None
    subprotocols: Sequence[str] = ()


class Guard:
    """Tells who asks, refuses who may not, and counts the refused."""

    def __init__(
        self,
        access: Access,
        allowed_origins: frozenset[str] = frozenset(),
        count: Count = lambda error: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        rates = access.rates
        self.access = access
        self.allowed_origins = allowed_origins
        self.proxies = Proxies(access.trusted_proxies)
        self.count = count
        self.wall_clock = wall_clock
        self._credentials = Credentials(access)
        self._known_hosts = frozenset(urlsplit(origin).netloc.lower() for origin in allowed_origins)
        self._log = get_logger("liveserver")
        self._failures = Allowances(rates.failures_per_s, rates.failures_burst, rates.remembered)
        self.requests = Allowances(rates.requests_per_s, rates.requests_burst, rates.remembered)
        self.handshakes = Allowances(rates.handshakes_per_s, rates.handshakes_burst, rates.remembered)
        self.messages = Allowances(rates.messages_per_s, rates.messages_burst, rates.remembered)

    def identify(self, asking: Asking, now: float) -> Identity | Refusal:
        """Return who asks, or why it is not answered. `now` is monotonic."""
        if not self.access.is_asked_for:
            return self._anybody(asking)
        shown = _shown(asking)
        if shown is None:
            return ANYBODY if self.access.public else self._no(refusals.NO_TOKEN)
        via, token = shown
        if token is None:
            return self._no(refusals.BAD_SCHEME)
        found = self.check(token, asking.address, now)
        if isinstance(found, Identity):
            return Identity(found.name, found.role, found.expires, via)
        # A browser cannot take back a cookie that has expired: where anybody may look, it looks as anybody.
        return ANYBODY if self.access.public and via is Via.COOKIE and found.status == 401 else found

    def recognise(self, asking: Asking, now: float) -> Identity:
        """Return who asks, anybody when it does not say: for what nobody is refused."""
        if self.access.is_asked_for and _shown(asking) is None:
            return ANYBODY
        found = self.identify(asking, now)
        return found if isinstance(found, Identity) else ANYBODY

    def check(self, token: str, address: str, now: float) -> Identity | Refusal:
        """Return whose a token is. Wrong ones are counted, logged without the token, and not too many are answered."""
        found = self._credentials.identify(token)
        if not isinstance(found, NotIdentified):
            return found
        if not self._failures.spend(counted_as(address), now):
            return self._no(refusals.TOO_MANY_FAILURES._replace(retry_after_s=self._failures.wait_s))
        self._log.warning("token_refused", address=address, reason=found.error, detail=found.what)
        return self._no(Refusal(401, found.error, found.what, refusals.LOG_IN))

    def may_ask(self, identity: Identity, now: float) -> Refusal | None:
        """Return why somebody has to wait who asks too often, from wherever."""
        if not identity.is_named or self.requests.spend(f"name {identity.name}", now):
            return None
        return self._no(refusals.TOO_MANY_REQUESTS._replace(retry_after_s=self.requests.wait_s))

    def may_speak(self, identity: Identity, address: str, now: float) -> bool:
        """Tell whether somebody may say one more thing on its socket."""
        if identity.is_named and not self.messages.spend(f"name {identity.name}", now):
            return False
        return self.messages.spend(address, now)

    def may_change(self, asking: Asking, identity: Identity) -> Refusal | None:
        """Return why a request that changes something is refused: it must not come from somebody else's page."""
        if identity.via in {Via.HEADER, Via.SUBPROTOCOL}:
            return None  # no browser adds these by itself
        if asking.origin is None:
            return self._no(refusals.NO_ORIGIN) if identity.via is Via.COOKIE else None
        return self.why_foreign(asking)

    def why_foreign(self, asking: Asking) -> Refusal | None:
        """Return the refusal of what comes from a page that is neither ours nor allowed by its name."""
        return None if self.is_own_page(asking) else self._no(refusals.FOREIGN_ORIGIN)

    def is_own_page(self, asking: Asking) -> bool:
        """Tell whether a request comes from a page of this server, or from one that is allowed by its name."""
        named = self.allowed_origins - {ANY_ORIGIN, "null"}
        return may_connect(asking.origin, asking.host, named)

    def refuse(self, asking: Asking, identity: Identity, action: Action) -> Refusal | None:
        """Return why somebody may not do something, None when it may."""
        if identity.may(action):
            return None
        if not identity.is_named:
            return self._no(refusals.NO_TOKEN)
        self._log.warning("role_refused", address=asking.address, name=identity.name, role=identity.role)
        what = f"{identity.name} is {identity.role} and may not {action}"
        return self._no(Refusal(403, "wrong_role", what, "ask for a key or token with another role"))

    def _anybody(self, asking: Asking) -> Identity | Refusal:
        if self.access.public:
            return ANYBODY
        # Otherwise a page of any site whose name is made to point here would be one of ours.
        if self.access.trust_network or self._is_own_host(asking.host):
            return LOCAL
        return self._no(refusals.FOREIGN_HOST)

    def _is_own_host(self, host: str | None) -> bool:
        if host is None or ANY_ORIGIN in self.allowed_origins:
            return True
        return is_name_of_this_machine(host) or host.lower() in self._known_hosts

    def _no(self, why: Refusal) -> Refusal:
        self.count(why.error)
        return why


def may_connect(origin: str | None, host: str | None, allowed: frozenset[str]) -> bool:
    """Tell whether a page from `origin` may watch; the page that this server serves always may.

    A program that is no browser names no origin. Without this, any website could read the account of whoever runs a
    live server and visits it.
    """
    if origin is None or origin in allowed or ANY_ORIGIN in allowed:
        return True
    return host is not None and urlsplit(origin).netloc.lower() == host.lower()


def has_token(query: bytes) -> bool:
    """Tell whether somebody put a secret into an address."""
    return any(
        name.lower() in refusals.QUERY_NAMES or value.startswith(KEY_PREFIX)
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    )


def _shown(asking: Asking) -> tuple[Via, str | None] | None:
    if asking.authorization is not None:
        scheme, _, token = asking.authorization.partition(" ")
        return Via.HEADER, token.strip() if scheme.lower() == "bearer" else None
    for offered in asking.subprotocols:
        if offered.startswith(BEARER_SUBPROTOCOL):
            return Via.SUBPROTOCOL, offered.removeprefix(BEARER_SUBPROTOCOL)
    token = cookie_token(asking.cookie or "")
    return (Via.COOKIE, token) if token else None


def cookie_token(header: str) -> str:
    """Return the token in a Cookie header, empty when there is none."""
    if COOKIE not in header:
        return ""
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
