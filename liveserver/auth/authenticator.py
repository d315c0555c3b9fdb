"""Authentication and authorisation of HTTP requests and WebSocket handshakes.

Credentials in order of precedence:

    Authorization: Bearer TOKEN  >  subprotocol bearer.TOKEN  >  cookie  >  none
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from bus import RepeatLimit, get_logger
from bus.runtime import time_s
from liveserver.auth import error_responses
from liveserver.auth.addresses import Proxies, is_local_host_name, rate_limit_key
from liveserver.auth.credentials import KEY_PREFIX, MAX_TOKEN_CHARS, Credentials, InvalidToken
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.rate_limit import TokenBuckets
from liveserver.auth.roles import ANONYMOUS, LOCAL, Action, CredentialSource, Identity
from liveserver.auth.settings import Access

COOKIE = "opensqt_session"
BEARER_SUBPROTOCOL = "bearer."
ANY_ORIGIN = "*"

MAX_SHOWN_CHARS = 200
"""Of a text that the client chose, in an answer or in the log."""

MAX_COOKIES = 200
"""Cookies of one request that are looked at."""

MAX_QUERY_BYTES = 4096
MAX_QUERY_FIELDS = 128

BYTES_PER_TOKEN = 16 * 1024
"""Each such part of an answer costs as much of the allowance as one request or message."""

CountRejection = Callable[[str], None]
"""Counts a rejection by its error code."""


class RequestInfo(NamedTuple):
    """The parts of a request that identify its sender."""

    address: str = ""
    """Address of the client; behind trusted proxies, the one they report."""
    host: str | None = None
    origin: str | None = None
    authorization: str | None = None
    cookie: str | None = None
    subprotocols: Sequence[str] = ()


class Authenticator:
    """Authenticates clients, authorises actions, applies rate limits, and counts rejections."""

    def __init__(
        self,
        access: Access,
        allowed_origins: frozenset[str] = frozenset(),
        count_rejection: CountRejection = lambda error: None,
        wall_clock: Callable[[], float] = time_s,
    ) -> None:
        rates = access.rates
        self.access = access
        self.allowed_origins = allowed_origins
        self.proxies = Proxies(access.trusted_proxies)
        self.count_rejection = count_rejection
        self.wall_clock = wall_clock
        self._credentials = Credentials(access)
        self._known_hosts = frozenset(urlsplit(origin).netloc.lower() for origin in allowed_origins)
        self._log = get_logger("liveserver")
        self._repeat_limit = RepeatLimit()
        self._public_cost = 1 / rates.public_share
        self._failures = TokenBuckets(rates.failures_per_s, rates.failures_burst, rates.remembered)
        self.requests = TokenBuckets(rates.requests_per_s, rates.requests_burst, rates.remembered)
        self._connects = TokenBuckets(rates.connects_per_s, rates.connects_burst, rates.remembered)
        self.handshakes = TokenBuckets(rates.handshakes_per_s, rates.handshakes_burst, rates.remembered)
        self.messages = TokenBuckets(rates.messages_per_s, rates.messages_burst, rates.remembered)

    def authenticate(self, request: RequestInfo, now: float) -> Identity | ErrorResponse:
        """Return the identity of a client, or the error to answer. `now` is monotonic."""
        if not self.access.has_credentials:
            return self._without_authentication(request)
        presented = _presented_token(request)
        if presented is None:
            return ANONYMOUS if self.access.public else self._reject(error_responses.NO_TOKEN)
        source, token = presented
        if token is None:
            return self._reject(error_responses.BAD_SCHEME)
        found = self.verify_token(token, request.address, now)
        if isinstance(found, Identity):
            return Identity(found.name, found.role, found.expires, source)
        # A browser keeps sending an expired cookie: on a public server that must not lock it out.
        is_stale_cookie = source is CredentialSource.COOKIE and found.status == 401
        return ANONYMOUS if self.access.public and is_stale_cookie else found

    def authenticate_or_anonymous(self, request: RequestInfo, now: float) -> Identity:
        """Return the identity of a client, ANONYMOUS without valid credentials: for routes open to all."""
        if self.access.has_credentials and _presented_token(request) is None:
            return ANONYMOUS
        found = self.authenticate(request, now)
        return found if isinstance(found, Identity) else ANONYMOUS

    def verify_token(self, token: str, address: str, now: float) -> Identity | ErrorResponse:
        """Return the identity of a token's owner. Invalid tokens are counted, logged without the token, and rate-limited."""
        found = self._credentials.verify(token)
        if not isinstance(found, InvalidToken):
            return found
        if not self._failures.spend(rate_limit_key(address), now):
            retry_after_s = self._failures.retry_after_s
            return self._reject(error_responses.TOO_MANY_FAILURES._replace(retry_after_s=retry_after_s))
        self._repeat_limit.write(
            self._log,
            "warning",
            "token_rejected",
            address,
            address=address,
            reason=found.error,
            detail=found.what,
        )
        return self._reject(ErrorResponse(401, found.error, found.what, error_responses.LOG_IN))

    def check_request_rate(self, identity: Identity, address: str, now: float) -> ErrorResponse | None:
        """Return the error for an identity that exceeds its request rate.

        That of an authenticated one is summed over all addresses; the address has paid already (see `check_address_rate`),
        and only a public client pays the difference to its smaller allowance.
        """
        if identity.is_authenticated:
            is_allowed = self.requests.spend(f"name {identity.name}", now)
        else:
            cost = self._cost(identity) - 1
            is_allowed = not cost or self.requests.spend(rate_limit_key(address), now, cost)
        return None if is_allowed else self._too_many_requests()

    def check_address_rate(self, address: str, now: float) -> ErrorResponse | None:
        """Return the error for an address that exceeds its request rate; asked before anything else is looked at."""
        return None if self.requests.spend(rate_limit_key(address), now) else self._too_many_requests()

    def allow_connection(self, address: str, now: float) -> bool:
        """Return whether an address (a `rate_limit_key`) may open one more connection now."""
        return self._connects.spend(address, now)

    def charge_answer(self, identity: Identity, address: str, size: int, now: float) -> None:
        """Take the share of an answer's bytes from the allowance for requests."""
        self._charge(self.requests, identity, rate_limit_key(address), size, now)

    def allow_message(self, identity: Identity, address: str, now: float) -> bool:
        """Return whether a viewer may send one more message on its socket; `address` is a `rate_limit_key`."""
        if identity.is_authenticated and not self.messages.spend(f"name {identity.name}", now):
            return False
        return self.messages.spend(address, now, self._cost(identity))

    def charge_messages(self, identity: Identity, address: str, size: int, now: float) -> None:
        """Take the share of a snapshot's bytes from the allowance for messages; `address` is a `rate_limit_key`."""
        self._charge(self.messages, identity, address, size, now)

    def check_handshake_rate(self, identity: Identity, address: str, now: float) -> ErrorResponse | None:
        """Return the error for a viewer that may not connect now; `address` is a `rate_limit_key`.

        The address has paid for the handshake; a public viewer pays the difference to its smaller allowance. Nobody
        connects for another snapshot while those before it are not paid for.
        """
        cost = self._cost(identity) - 1
        is_allowed = not cost or self.handshakes.spend(address, now, cost)
        if is_allowed and self.messages.is_in_debt(address, now):
            is_allowed = False
        return None if is_allowed else self._too_many_requests()

    def _cost(self, identity: Identity) -> float:
        return self._public_cost if identity.is_redacted else 1.0

    def _charge(self, buckets: TokenBuckets, identity: Identity, address: str, size: int, now: float) -> None:
        # Without authentication every client is the administrator, whom no limit protects from itself.
        if identity == LOCAL:
            return
        tokens = size // BYTES_PER_TOKEN
        if identity.is_authenticated:
            buckets.charge(f"name {identity.name}", now, tokens)
        buckets.charge(address, now, tokens * self._cost(identity))

    def _too_many_requests(self) -> ErrorResponse:
        return self._reject(
            error_responses.TOO_MANY_REQUESTS._replace(retry_after_s=self.requests.retry_after_s)
        )

    def check_origin(self, request: RequestInfo, identity: Identity) -> ErrorResponse | None:
        """Return the error for a state-changing request that another site's page may have sent (CSRF)."""
        if identity.source in {CredentialSource.HEADER, CredentialSource.SUBPROTOCOL}:
            return None  # browsers do not attach these by themselves
        if request.origin is None:
            is_cookie = identity.source is CredentialSource.COOKIE
            return self._reject(error_responses.NO_ORIGIN) if is_cookie else None
        return self.check_own_page(request)

    def check_own_page(self, request: RequestInfo) -> ErrorResponse | None:
        """Return the error for a request from a page that is neither ours nor allowed by name."""
        return None if self.is_own_page(request) else self.reject_origin(request)

    def reject_origin(self, request: RequestInfo) -> ErrorResponse:
        """Return the error for the page of a foreign origin, which is logged once, then counted."""
        origin = (request.origin or "")[:MAX_SHOWN_CHARS]
        option = f"--allow-origin {origin}"
        self._repeat_limit.write(
            self._log,
            "warning",
            "origin_rejected",
            origin,
            origin=origin,
            address=request.address,
            detail=f"pages of this origin may not connect; to allow them: {option}, or http.allowed_origins: [{origin}]",
        )
        return self._reject(error_responses.foreign_origin(origin))

    def is_own_page(self, request: RequestInfo) -> bool:
        """Return whether a request comes from this server's page or from an origin allowed by name."""
        named = self.allowed_origins - {ANY_ORIGIN, "null"}
        return is_allowed_origin(request.origin, request.host, named)

    def authorize(self, request: RequestInfo, identity: Identity, action: Action) -> ErrorResponse | None:
        """Return the error for an action that the identity's role does not allow, else None."""
        if identity.is_allowed(action):
            return None
        if not identity.is_authenticated:
            return self._reject(error_responses.NO_TOKEN)
        what = f"{identity.name} has the role {identity.role} and may not {action}"
        self._repeat_limit.write(
            self._log,
            "warning",
            "role_rejected",
            f"{identity.name} {action}",
            address=request.address,
            detail=what,
        )
        return self._reject(ErrorResponse(403, "wrong_role", what, "use a key or token with another role"))

    def _without_authentication(self, request: RequestInfo) -> Identity | ErrorResponse:
        if self.access.public:
            return ANONYMOUS
        # DNS rebinding: a foreign site whose name resolves to this machine would count as our own page.
        if self.access.trust_network or self._is_own_host(request.host):
            return LOCAL
        return self._reject(error_responses.FOREIGN_HOST)

    def _is_own_host(self, host: str | None) -> bool:
        if host is None or ANY_ORIGIN in self.allowed_origins:
            return True
        return is_local_host_name(host) or host.lower() in self._known_hosts

    def _reject(self, error: ErrorResponse) -> ErrorResponse:
        self.count_rejection(error.error)
        return error


def is_allowed_origin(origin: str | None, host: str | None, allowed: frozenset[str]) -> bool:
    """Return whether a page from `origin` may connect; this server's own page always may.

    Programs that are not browsers send no Origin. Browsers do, and without this check any website could read the
    account through the browser of an operator that visits it.
    """
    if origin is None or origin in allowed or ANY_ORIGIN in allowed:
        return True
    try:
        return host is not None and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # such as `http://[`
        return False


def check_query(query: bytes) -> ErrorResponse | None:
    """Return the error for a query string that is too long, or carries a secret: `token=...`, `x=sqt_...`."""
    try:
        if len(query) > MAX_QUERY_BYTES:
            return error_responses.QUERY_TOO_LONG
        fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        return error_responses.QUERY_TOO_LONG
    has_token = any(
        name.strip().lower().partition("[")[0] in error_responses.QUERY_NAMES
        or KEY_PREFIX in f"{name} {value}".lower()
        for name, value in fields
    )
    return error_responses.TOKEN_IN_QUERY if has_token else None


def _presented_token(request: RequestInfo) -> tuple[CredentialSource, str | None] | None:
    if request.authorization is not None:
        scheme, _, token = request.authorization.partition(" ")
        return CredentialSource.HEADER, token.strip() if scheme.lower() == "bearer" else None
    for subprotocol in request.subprotocols:
        if subprotocol.startswith(BEARER_SUBPROTOCOL):
            return CredentialSource.SUBPROTOCOL, subprotocol.removeprefix(BEARER_SUBPROTOCOL)
    token = cookie_token(request.cookie or "")
    return (CredentialSource.COOKIE, token) if token else None


def cookie_token(header: str) -> str:
    """Return the token in a Cookie header, empty if there is none.

    Example: `theme=dark; opensqt_session=sqt_abc` holds `sqt_abc`.
    """
    # Not by `http.cookies`, which before Python 3.12.6 takes quadratic time for backslashes.
    for pair in header.split(";", MAX_COOKIES):
        name, _, value = pair.partition("=")
        if name.strip() == COOKIE:
            token = value.strip()
            # A longer one is invalid anyway; it is cut, so that nothing reads all of it.
            return token[: MAX_TOKEN_CHARS + 1].removeprefix('"').removesuffix('"')
    return ""
