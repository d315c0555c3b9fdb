"""How a live server says no: one shape for every error, over HTTP and in the answer to a handshake."""

from typing import NamedTuple

import msgspec

QUERY_NAMES = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "auth",
        "authorization",
        "bearer",
        "jwt",
        "password",
        "secret",
        "token",
    }
)
"""Parameters that would hold a secret."""


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, for programs and for people."""

    error: str
    """One word, for programs: the same for the same cause."""
    what: str
    """What happened, for people."""
    hint: str = ""
    """What to do."""


class Refusal(NamedTuple):
    """Why something is answered with no."""

    status: int
    error: str
    what: str
    hint: str = ""
    retry_after_s: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that belong to it."""
        headers = {"cache-control": "no-store"}
        if self.status == 401:
            headers["www-authenticate"] = 'Bearer realm="opensqt"'
        if self.retry_after_s:
            headers["retry-after"] = str(self.retry_after_s)
        return headers

    @property
    def body(self) -> ErrorBody:
        return ErrorBody(error=self.error, what=self.what, hint=self.hint)

    @property
    def text(self) -> str:
        """Return it as a line of text, for a client that expects no JSON."""
        return f"{self.what}; {self.hint}\n" if self.hint else f"{self.what}\n"


LOG_IN = "send Authorization: Bearer and a key or token, or log in on the page"

NO_TOKEN = Refusal(401, "no_token", "this server wants to know who asks", LOG_IN)
BAD_SCHEME = Refusal(401, "bad_token", "the Authorization header has to be Bearer and a token", LOG_IN)
TOO_MANY_FAILURES = Refusal(
    429,
    "too_many_failures",
    "too many wrong tokens came from this address",
    "look whether a program has an old one",
)
TOO_MANY_REQUESTS = Refusal(
    429, "too_many_requests", "too many requests", "ask less often, or use the WebSocket"
)
TOKEN_IN_QUERY = Refusal(
    400,
    "token_in_query",
    "tokens are not taken from an address: addresses are logged, kept and passed on. Take this one for lost",
    "send it as Authorization: Bearer, or to a WebSocket as the subprotocol bearer.TOKEN",
)
FOREIGN_ORIGIN = Refusal(
    403,
    "foreign_origin",
    "pages from there may not connect",
    "allow their origin: http.allowed_origins, or --allow-origin",
)
NO_ORIGIN = Refusal(
    403,
    "foreign_origin",
    "what changes something needs an Origin when a cookie says who asks",
    "use the page, or send the token as Authorization: Bearer",
)
FOREIGN_HOST = Refusal(
    403,
    "foreign_host",
    "this server asks for no token, and so answers to its own addresses only",
    "configure authentication, or allow the page's origin: http.allowed_origins, or --allow-origin",
)
