"""What can be staged at the simulated venue: a price's path, silence, refusals, and what somebody does by hand.

POST /admin/path      {"symbol": ..., "scenes": [{"price": "54000", "volume": "40"}]}   a tick each, then the walk
POST /admin/silence   {"is_silent": true}     the market goes on, the sockets stay open, nobody is told
POST /admin/refusals  {"count": 3, "reason": "post_only_would_cross"}   the next orders; rate_limited: requests
POST /admin/order     a NewOrder              by hand: at once, whatever faults are in force
"""

from typing import Annotated, TypeVar

import msgspec
from aiohttp import web

from producers.simulated.market.model import ModelTape, Scene
from producers.simulated.matching.orders import NewOrder, Refusal
from producers.simulated.server.faults import Faults
from producers.simulated.server.streams import Streams
from producers.simulated.server.venue import Venue
from producers.simulated.wire import to_json
from schemas.units import Symbol
from schemas.venue.orders import RejectReason

T = TypeVar("T")


class Path(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the next ticks of a symbol are."""

    symbol: Symbol
    scenes: tuple[Scene, ...]


class Silence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the market feed is silent."""

    is_silent: bool


class Refusals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many come, and why."""

    count: Annotated[int, msgspec.Meta(gt=0)]
    reason: RejectReason


class SceneApi:
    """The stage, over HTTP."""

    def __init__(self, venue: Venue, streams: Streams, faults: Faults) -> None:
        self._venue = venue
        self._streams = streams
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/admin/path", self._path),
            web.post("/admin/silence", self._silence),
            web.post("/admin/refusals", self._refusals),
            web.post("/admin/order", self._order),
        ]

    async def _path(self, request: web.Request) -> web.Response:
        path = await _body(request, Path)
        try:
            self._venue.books.listing(path.symbol)
        except Refusal as refusal:
            raise web.HTTPBadRequest(text=refusal.detail) from refusal
        if not isinstance(self._venue.tape, ModelTape):
            raise web.HTTPBadRequest(text="a recording goes the way it went")
        if any(not scene.price.is_finite() or scene.price <= 0 for scene in path.scenes):
            raise web.HTTPBadRequest(text="a price is a number above zero")
        self._venue.tape.play(path.symbol, path.scenes)
        return _json(path)

    async def _silence(self, request: web.Request) -> web.Response:
        silence = await _body(request, Silence)
        self._streams.is_silent = silence.is_silent
        return _json(silence)

    async def _refusals(self, request: web.Request) -> web.Response:
        refusals = await _body(request, Refusals)
        self._faults.refuse_next(refusals.count, refusals.reason)
        return _json(refusals)

    async def _order(self, request: web.Request) -> web.Response:
        new = await _body(request, NewOrder)
        try:
            return _json(self._venue.place(new))
        except Refusal as refusal:
            raise web.HTTPBadRequest(text=refusal.detail) from refusal


async def _body(request: web.Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _json(body: object) -> web.Response:
    return web.Response(body=to_json(body), content_type="application/json")
