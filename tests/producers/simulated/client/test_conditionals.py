"""Conditional orders and marks over the venue's API."""

from decimal import Decimal as D  # noqa: N817 - many literals read better
from pathlib import Path

import msgspec
import pytest

from producers.ports import OrderUnknown, RequestRejected
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.matching.conditionals import ConditionalStatus, NewConditional
from producers.simulated.server.factory import open_venue
from producers.simulated.server.store import Store
from producers.simulated.settings import FundingSettings
from schemas.units import SECOND_NS, ClientOrderId, Side
from schemas.venue.orders import RejectReason
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, decision, recording_settings

GUARD = ClientOrderId("guard")
STOP = NewConditional(
    symbol=PERP, side=Side.SELL, trigger_price=D("99.5"), quantity=D(1), client_order_id=GUARD
)
CANDLES = ["100 101 99 100.5", "100.5 101 99 100.5"]


async def test_a_conditional_is_placed_listed_and_canceled(client: SimulatedVenue) -> None:
    placed = await client.place_conditional(STOP)
    assert (placed.status, placed.new) == (ConditionalStatus.OPEN, STOP)
    assert await client.conditionals(PERP) == [placed]
    assert (await client.cancel_conditional(PERP, GUARD)).status is ConditionalStatus.CANCELED
    assert await client.conditionals(PERP) == []
    assert (await client.conditional(PERP, GUARD)).status is ConditionalStatus.CANCELED
    with pytest.raises(OrderUnknown):
        await client.cancel_conditional(PERP, GUARD)


async def test_a_rejection_names_the_reason(client: SimulatedVenue) -> None:
    with pytest.raises(RequestRejected, match="triggered at once") as caught:
        await client.place_conditional(msgspec.structs.replace(STOP, trigger_price=D(101)))
    assert caught.value.reason is RejectReason.OTHER


async def test_the_child_is_named_and_survives_a_restart(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(recording_settings(tmp_path, CANDLES))
    client = await new_client(served.url)
    await client.place(PERP, decision(Side.BUY, "101", "open", post_only=False))
    await client.place_conditional(STOP)
    served.venue.tick()  # to 99
    found = await client.conditional(PERP, GUARD)
    assert (found.status, found.child_order_id) == (ConditionalStatus.TRIGGERED, "stop-2")
    report = await client.query(PERP, found.child_order_id)
    assert report.cumulative_quantity == 1
    assert [each.client_order_id for each in await client.trades_since(PERP, 0)] == ["open", "stop-2"]


async def test_an_open_conditional_survives_a_restart(tmp_path: Path) -> None:
    settings = recording_settings(tmp_path, CANDLES)
    with Store(Path(settings.store)) as store:
        placed = open_venue(settings, store, 0).place_conditional(STOP)
    with Store(Path(settings.store)) as store:
        assert open_venue(settings, store, 0).conditionals(PERP) == [placed]


async def test_marks_state_mark_index_and_funding(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    funding = FundingSettings(rate=D("0.0001"), interval=3600 * SECOND_NS)
    served = await serve(recording_settings(tmp_path, CANDLES, funding=funding))
    marks = await (await new_client(served.url)).marks(PERP)
    assert (marks.mark, marks.index, marks.funding_rate) == (D(100), D(100), D("0.0001"))
    assert marks.next_funding_time is not None
    assert 0 < marks.next_funding_time - served.venue.now() <= 3600 * SECOND_NS
