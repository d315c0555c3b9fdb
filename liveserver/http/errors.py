"""Errors of the HTTP API, all answered in one shape: `{"error", "what", "hint"}`."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec

from bus import RepeatLimit, get_logger
from liveserver.auth.authenticator import MAX_SHOWN_CHARS
from liveserver.auth.error_responses import ErrorBody, ErrorResponse

ErrorHandler = Callable[[Request[Any, Any, Any], Any], Response[Any]]

_log = get_logger("liveserver")
_repeat_limit = RepeatLimit()

HINTS = {
    400: "see /schema/openapi.json for the parameters",
    404: "see /schema/openapi.json for the paths",
    405: "see /schema/openapi.json for the methods",
    503: "retry when the bus has been read",
}


ERRORS = {
    status: ResponseSpec(ErrorBody, description=description, generate_examples=False)
    for status, description in {
        400: "Invalid request, or a token in the URL",
        401: "Authentication required",
        403: "Not allowed for this role, or from this page",
        404: "Not found",
        409: "The key was used for another command",
        413: "Request body too large",
        429: "Rate limit exceeded",
        503: "The bus is unreachable or has not been read yet",
    }.items()
}
"""The error answers common to all routes, for OpenAPI."""


class RequestRejected(HTTPException):
    """A request is rejected with an error answer."""

    def __init__(self, response: ErrorResponse) -> None:
        super().__init__(response.what, status_code=response.status, headers=response.headers)
        self.response = response


def answer_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorBody]:
    """Return the answer for an error of the request."""
    headers = dict(error.headers or {})
    if isinstance(error, RequestRejected):
        return Response(error.response.body, status_code=error.status_code, headers=headers)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
    body = ErrorBody(error=code, what=_description(error), hint=HINTS.get(error.status_code, ""))
    return Response(body, status_code=error.status_code, headers=headers)


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    """Return the answer for an internal error; its details are only logged."""
    _repeat_limit.write(
        _log,
        "error",
        "request_failed",
        type(error).__name__,
        path=request.url.path[:MAX_SHOWN_CHARS],
        detail=error,
    )
    body = ErrorBody(error="internal_error", what="internal server error", hint="see the server's log")
    return Response(body, status_code=500)


def answer_bad_body(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    """Return the answer for a body that is not the JSON of a request: nested deeply, or not UTF-8."""
    body = ErrorBody(
        error="bad_request", what="the body is not UTF-8, or its JSON is nested too deeply", hint=HINTS[400]
    )
    return Response(body, status_code=400)


BAD_BODY: Final[dict[int | type[Exception], ErrorHandler]] = {
    RecursionError: answer_bad_body,
    UnicodeDecodeError: answer_bad_body,
}
"""Exception handlers of routes with a body."""


def _description(error: HTTPException) -> str:
    # A validation error lists each invalid field.
    extra = error.extra if isinstance(error.extra, list) else []
    fields = [
        f"{each.get('key', 'request')}: {each.get('message', '')}" for each in extra if isinstance(each, dict)
    ]
    return "; ".join(fields) or error.detail


def encode_error(response: ErrorResponse) -> bytes:
    """Return the JSON body of an error answer that is sent outside of Litestar."""
    return msgspec.json.encode(response.body)
