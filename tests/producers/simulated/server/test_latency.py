"""Latency of requests: by the clock in real time, in market time in lock-step."""

import asyncio
import statistics
from decimal import Decimal as D  # noqa: N817 - many literals read better
from pathlib import Path

import msgspec
import pytest

from producers.simulated.draws import key_of
from producers.simulated.parameters import LatencySettings
from producers.simulated.server.factory import open_venue
from producers.simulated.server.latency import request_delay
from producers.simulated.server.store import Store
from producers.simulated.settings import VenueSettings
from schemas.units import MILLISECOND_NS, ClientOrderId, Side, TimeNs
from schemas.venue.orders import OrderStatus
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import (
    PERP,
    START_NS,
    decision,
    new_settings,
    order,
    perpetual_settings,
)

LATENCY = LatencySettings(request=300 * MILLISECOND_NS, jitter=100 * MILLISECOND_NS)


def test_jitter_is_added_and_has_its_mean() -> None:
    delays = [request_delay(LATENCY, key_of(1, "latency"), n) / MILLISECOND_NS for n in range(5000)]
    assert min(delays) >= 300
    assert abs(statistics.mean(delays) - 400) < 6
    assert request_delay(LatencySettings(request=7), key_of(1, "latency"), 1) == 7


def arrivals(directory: Path, names: str) -> dict[str, TimeNs | None]:
    """Return when orders arrive that are placed in this order in one tick of a lock-step market."""
    directory.mkdir()
    settings = new_settings(directory, latency=LATENCY)
    with Store(Path(settings.store)) as store:
        venue = open_venue(settings, store, START_NS)
        for name in names:
            venue.place(order(Side.BUY, "90", name=name))
        return {each.client_order_id: each.arrival_time for each in venue.matching.open_orders(PERP)}


def test_in_lock_step_a_delay_does_not_depend_on_the_order_of_requests(tmp_path: Path) -> None:
    first = arrivals(tmp_path / "first", "abcd")
    assert first == arrivals(tmp_path / "second", "dbca")
    assert len(set(first.values())) == 4


def test_in_lock_step_an_order_reaches_the_book_at_a_later_tick(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, latency=LatencySettings(request=300 * MILLISECOND_NS))
    with Store(Path(settings.store)) as store:
        venue = open_venue(settings, store, START_NS)
        venue.place(order(Side.BUY, "200"))
        venue.tick()  # after 250 ms
        assert venue.history()[1] == []
        price = venue.matching.account.quotes[PERP].ask
        venue.tick()
        (trade,) = venue.history()[1]
        assert trade.price == price


def test_orders_on_their_way_survive_a_restart(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, latency=LatencySettings(request=300 * MILLISECOND_NS))
    with Store(Path(settings.store)) as store:
        venue = open_venue(settings, store, START_NS)
        venue.place(order(Side.BUY, "200", name="placed"))
        venue.place(order(Side.BUY, "90", name="canceled"))
        venue.tick()
        venue.tick()
        venue.cancel(PERP, ClientOrderId("canceled"))
        venue.place(order(Side.BUY, "201", name="late"))
    with Store(Path(settings.store)) as store:
        venue = open_venue(settings, store, START_NS)
        venue.tick()
        venue.tick()
        statuses = {each.client_order_id: each.status for each in venue.history()[0]}
    assert statuses == {
        "placed": OrderStatus.FILLED,
        "canceled": OrderStatus.CANCELED,
        "late": OrderStatus.FILLED,
    }


def clocked(directory: Path) -> VenueSettings:
    calm = msgspec.structs.replace(perpetual_settings(), volatility=0.0, jumps=0.0)
    latency = LatencySettings(request=200 * MILLISECOND_NS)
    return new_settings(directory, speed=1.0, start_time=None, latency=latency, symbols=(calm,))


async def test_by_the_clock_the_market_moves_while_a_request_is_on_its_way(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(clocked(tmp_path))
    client = await new_client(served.url)
    placing = asyncio.create_task(client.place(PERP, decision(Side.BUY, "150", post_only=False)))
    await asyncio.sleep(0.1)
    assert not served.venue.matching.open_orders(PERP)
    served.venue.matching.account.quotes[PERP] = msgspec.structs.replace(
        served.venue.matching.account.quotes[PERP], ask=D("101.5")
    )
    await placing
    assert [each.price for each in served.venue.history()[1]] == [D("101.5")]


@pytest.mark.parametrize("latency", [LatencySettings(), LatencySettings(jitter=1)])
def test_no_latency_is_false(latency: LatencySettings) -> None:
    assert bool(latency) is bool(latency.jitter)
