"""Every error of the HTTP side as one shape, whoever raised it."""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec

from bus import get_logger
from liveserver.auth.refusals import ErrorBody, Refusal

HINTS = {
    400: "see /schema/openapi.json for what may be asked",
    404: "see /schema/openapi.json for what there is",
    405: "see /schema/openapi.json for what may be asked",
    503: "wait until the bus has been read, and ask again",
}


ERRORS = {
    status: ResponseSpec(ErrorBody, description=description, generate_examples=False)
    for status, description in {
        400: "What was asked makes no sense, or holds a token where none may be",
        401: "Nobody knows who asks",
        403: "It may not be asked by this one, or from that page",
        404: "There is no such thing",
        409: "Something else was asked under the same key",
        413: "Too large",
        429: "Asked too often",
        503: "The bus is out of reach, or was not read yet",
    }.items()
}
"""What every route may answer beside what it should."""


class Refused(HTTPException):
    """A request that was refused, and why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.what, status_code=refusal.status, headers=refusal.headers)
        self.refusal = refusal


def answer_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorBody]:
    """Return the answer to a request that failed in a way that is known."""
    headers = dict(error.headers or {})
    if isinstance(error, Refused):
        return Response(error.refusal.body, status_code=error.status_code, headers=headers)
    word = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
    body = ErrorBody(error=word, what=_what(error), hint=HINTS.get(error.status_code, ""))
    return Response(body, status_code=error.status_code, headers=headers)


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    """Return the answer where we failed; what happened is for the log alone."""
    get_logger("liveserver").error("request_failed", path=request.url.path, detail=error)
    body = ErrorBody(
        error="internal_error", what="something went wrong here", hint="look into the server's log"
    )
    return Response(body, status_code=500)


def _what(error: HTTPException) -> str:
    # A validation names each field that is wrong.
    extra = error.extra if isinstance(error.extra, list) else []
    found = [
        f"{each.get('key', 'request')}: {each.get('message', '')}" for each in extra if isinstance(each, dict)
    ]
    return "; ".join(found) or error.detail


def encode_error(refusal: Refusal) -> bytes:
    """Return the body of a refusal, for where there is no framework to do it."""
    return msgspec.json.encode(refusal.body)
