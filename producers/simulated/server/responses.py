"""JSON request bodies and responses of the venue's HTTP API."""

from typing import TypeVar

import msgspec
from aiohttp import web

from producers.simulated.wire import to_json
from schemas.codec import INVALID_JSON

T = TypeVar("T")


async def read_body(request: web.Request, kind: type[T]) -> T:
    """Decode the JSON body of a request.

    Raises: HTTPBadRequest when it is not a `kind`.
    """
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except INVALID_JSON as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def json_response(body: object, status: int = 200) -> web.Response:
    return web.Response(body=to_json(body), status=status, content_type="application/json")
