"""HTTP API that scripts the simulated venue: prices, a silent feed, rejections, manual orders.

POST /admin/path      {"symbol": ..., "scenes": [{"price": "54000", "volume": "40"}]}
                      the next ticks of a symbol, one scene each; then the random walk continues
POST /admin/silence   {"is_silent": true}
                      the market advances and connections stay open, but no frames are sent
POST /admin/refusals  {"count": 3, "reason": "post_only_would_cross"}
                      rejects the next orders; with rate_limited the next private requests of any kind
POST /admin/order     {"symbol": ..., "side": "buy", "price": "50", "quantity": "1"}
                      places an order at once, bypassing injected faults
POST /admin/instrument  {"symbol": ..., "changes": {"tick_size": "1", "status": "halted"}}
                      changes trading rules until the venue restarts; a delisting cancels the open orders
"""

from typing import Annotated

import msgspec
from aiohttp import web

from producers.simulated.market.model import ModelTape, ScriptedTick
from producers.simulated.matching.orders import NewOrder, VenueRejection
from producers.simulated.server.faults import FaultInjector
from producers.simulated.server.responses import json_response, read_body
from producers.simulated.server.schedule import changed
from producers.simulated.server.streams import Streams
from producers.simulated.server.venue import Venue
from schemas.units import Symbol
from schemas.venue.orders import RejectReason


class PricePath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /admin/path."""

    symbol: Symbol
    ticks: tuple[ScriptedTick, ...] = msgspec.field(name="scenes")


class FeedSilence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /admin/silence."""

    is_silent: bool


class ScriptedRejections(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /admin/refusals."""

    count: Annotated[int, msgspec.Meta(gt=0)]
    reason: RejectReason


class ChangedInstrument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /admin/instrument."""

    symbol: Symbol
    changes: dict[str, object]
    """New values by the fields of `Instrument`."""


class ScriptingApi:
    """Routes that script the market and the account."""

    def __init__(self, venue: Venue, streams: Streams, faults: FaultInjector) -> None:
        self._venue = venue
        self._streams = streams
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/admin/path", self._script_prices),
            web.post("/admin/silence", self._silence_feed),
            web.post("/admin/refusals", self._reject_next),
            web.post("/admin/order", self._place_order),
            web.post("/admin/instrument", self._change_instrument),
        ]

    async def _script_prices(self, request: web.Request) -> web.Response:
        path = await read_body(request, PricePath)
        try:
            self._venue.matching.listing(path.symbol)
        except VenueRejection as rejection:
            raise web.HTTPBadRequest(text=rejection.detail) from rejection
        if not isinstance(self._venue.tape, ModelTape):
            raise web.HTTPBadRequest(text="the venue replays a recording: only a model can be scripted")
        if any(not tick.price.is_finite() or tick.price <= 0 for tick in path.ticks):
            raise web.HTTPBadRequest(text="every price must be a finite number above zero")
        self._venue.tape.script(path.symbol, path.ticks)
        return json_response(path)

    async def _silence_feed(self, request: web.Request) -> web.Response:
        silence = await read_body(request, FeedSilence)
        self._streams.is_silent = silence.is_silent
        return json_response(silence)

    async def _reject_next(self, request: web.Request) -> web.Response:
        rejections = await read_body(request, ScriptedRejections)
        self._faults.reject_next(rejections.count, rejections.reason)
        return json_response(rejections)

    async def _place_order(self, request: web.Request) -> web.Response:
        new = await read_body(request, NewOrder)
        try:
            return json_response(self._venue.place(new))
        except VenueRejection as rejection:
            raise web.HTTPBadRequest(text=rejection.detail) from rejection

    async def _change_instrument(self, request: web.Request) -> web.Response:
        change = await read_body(request, ChangedInstrument)
        try:
            instrument = changed(self._venue.matching.listing(change.symbol).rules, change.changes)
            self._venue.replace_instrument(instrument)
        except VenueRejection as rejection:
            raise web.HTTPBadRequest(text=rejection.detail) from rejection
        except (msgspec.ValidationError, ValueError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return json_response(instrument)
