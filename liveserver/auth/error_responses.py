"""Error answers in one shape, for HTTP requests and for rejected WebSocket handshakes."""

from http import HTTPStatus
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
"""Names of query parameters that carry secrets."""


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON body of an error: `{"error": "no_token", "what": "authentication required", "hint": "..."}`."""

    error: str
    """Stable code for programs."""
    what: str
    """Description for people."""
    hint: str = ""
    """Suggested remedy."""


class ErrorResponse(NamedTuple):
    """An error answer: status, code, description, hint."""

    status: int
    error: str
    what: str
    hint: str = ""
    retry_after_s: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers of the answer."""
        headers = {"cache-control": "no-store"}
        if self.status == 401:
            headers["www-authenticate"] = 'Bearer realm="opensqt"'
        if self.retry_after_s:
            headers["retry-after"] = str(self.retry_after_s)
        return headers

    @property
    def body(self) -> ErrorBody:
        """The JSON body of the answer."""
        return ErrorBody(error=self.error, what=self.what, hint=self.hint)

    @property
    def phrase(self) -> str:
        """The reason phrase of the status line."""
        return HTTPStatus(self.status).phrase

    @property
    def text(self) -> str:
        """The answer as a line of text, for clients that do not expect JSON."""
        return f"{self.what}; {self.hint}\n" if self.hint else f"{self.what}\n"


LOG_IN = "send a key or token in the Authorization header (`Bearer TOKEN`), or log in on the page"

NO_TOKEN = ErrorResponse(401, "no_token", "authentication required", LOG_IN)
BAD_SCHEME = ErrorResponse(
    401, "bad_token", "the Authorization header must have the form `Bearer TOKEN`", LOG_IN
)
TOO_MANY_FAILURES = ErrorResponse(
    429,
    "too_many_failures",
    "too many invalid tokens from this address",
    "check for a client that uses an outdated token",
)
TOO_MANY_REQUESTS = ErrorResponse(
    429, "too_many_requests", "rate limit exceeded", "send fewer requests, or use the WebSocket"
)
TOKEN_IN_QUERY = ErrorResponse(
    400,
    "token_in_query",
    "tokens are not accepted in URLs, because URLs are logged and forwarded; treat this token as compromised",
    "send it in the Authorization header (`Bearer TOKEN`), or to a WebSocket as the subprotocol bearer.TOKEN",
)
HEAD_TOO_LARGE = ErrorResponse(
    431,
    "head_too_large",
    "the request's head is too large: at most 100 headers, 8 KB a line, 16 KB in all",
    "send fewer cookies and headers",
)
QUERY_TOO_LONG = ErrorResponse(
    414, "query_too_long", "the query string is too long", "send fewer or shorter parameters"
)
NO_ORIGIN = ErrorResponse(
    403,
    "foreign_origin",
    "a request that changes something and is authenticated by a cookie requires an Origin header",
    "use the page, or send the token in the Authorization header (`Bearer TOKEN`)",
)
FOREIGN_ORIGIN = "foreign_origin"
"""The error code of a page that may not connect, or not change anything."""


def foreign_origin(origin: str) -> ErrorResponse:
    """Return the answer to a page of another origin. A browser shows it in its network tools."""
    return ErrorResponse(
        403,
        FOREIGN_ORIGIN,
        f"pages of the origin {origin or '(none)'} may not connect to this live server",
        f"open the page of the live server itself; or its operator allows the origin: http.allowed_origins: [{origin}], "
        f"or --allow-origin {origin}",
    )


FOREIGN_HOST = ErrorResponse(
    403,
    "foreign_host",
    "authentication is disabled, so only the server's own host names are accepted",
    "configure authentication, or allow the page's origin: http.allowed_origins, or --allow-origin",
)
