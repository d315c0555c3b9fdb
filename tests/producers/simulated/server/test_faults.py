"""Each injected fault: its effect on a client, and that queries stay correct."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

import aiohttp
import msgspec
import pytest

from producers.ports import (
    AccountUpdate,
    OrderUnknown,
    OutcomeUnknown,
    Overloaded,
    RequestRejected,
    VenueError,
)
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.server.faults import FaultInjector
from producers.simulated.settings import FaultSettings
from schemas.units import MILLISECOND_NS, ClientOrderId, Side
from schemas.venue.market import FeedChanged, FeedState
from schemas.venue.orders import OrderReport
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, decision, recording_settings

A = ClientOrderId("a")
SHORT_NS = 50 * MILLISECOND_NS


async def set_faults(served: RunningVenue, faults: FaultSettings) -> None:
    url, body = f"{served.url}/admin/faults", msgspec.json.encode(faults)
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as response:
        assert msgspec.json.decode(await response.read(), type=FaultSettings) == faults


async def names(account: AsyncGenerator[AccountUpdate, None], count: int) -> list[str]:
    """Return the ids of the next reports."""
    events = [(await anext(account)).event for _ in range(count)]
    return [event.client_order_id for event in events if isinstance(event, OrderReport)]


async def test_faults_can_be_read_and_changed_while_running(served: RunningVenue) -> None:
    await set_faults(served, FaultSettings(lost=0.5))
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}/admin/faults") as response:
        assert (await response.json())["lost"] == 0.5


async def test_invalid_faults_are_rejected(served: RunningVenue) -> None:
    url = f"{served.url}/admin/faults"
    async with aiohttp.ClientSession() as session, session.post(url, data=b'{"lost": 2}') as response:
        assert response.status == 400
    assert served.faults.settings.lost == 0


async def test_lost_event_leaves_a_sequence_gap_and_keeps_the_order(
    client: SimulatedVenue, served: RunningVenue
) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(lost=1))
        await client.place(PERP, decision(Side.BUY, "90"))
        await set_faults(served, FaultSettings())
        await client.cancel(PERP, A)

        assert (await anext(account)).sequence == 2
    assert (await client.query(PERP, A)).status == "canceled"


async def test_doubled_event_is_sent_twice(client: SimulatedVenue, served: RunningVenue) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(doubled=1))
        await client.place(PERP, decision(Side.BUY, "90"))

        assert await anext(account) == await anext(account)


async def test_late_event_is_sent_after_later_ones(client: SimulatedVenue, served: RunningVenue) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(late=1, late_by=10 * SHORT_NS))
        await client.place(PERP, decision(Side.BUY, "90", "a"))
        await set_faults(served, FaultSettings())
        await client.place(PERP, decision(Side.BUY, "90", "b"))

        assert await names(account, 2) == ["b", "a"]


async def test_reordered_event_is_sent_after_the_next(client: SimulatedVenue, served: RunningVenue) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(reordered=1))
        await client.place(PERP, decision(Side.BUY, "90", "a"))
        await set_faults(served, FaultSettings())
        await client.place(PERP, decision(Side.BUY, "90", "b"))

        assert await names(account, 2) == ["b", "a"]


async def test_reordered_event_without_successor_is_sent_after_a_delay(
    client: SimulatedVenue, served: RunningVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.simulated.server.streams.MAX_REORDER_DELAY_S", 0.01)
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(reordered=1))
        await client.place(PERP, decision(Side.BUY, "90"))

        assert await names(account, 1) == ["a"]


async def test_disconnected_account_stream_reconnects(client: SimulatedVenue, served: RunningVenue) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(disconnect_account=1))
        await client.place(PERP, decision(Side.BUY, "90"))

        assert await anext(account) == AccountUpdate(0, None, is_lost=True)
        assert await anext(account) == AccountUpdate(1, None)


async def test_disconnected_market_stream_loses_no_tick_in_lock_step(
    client: SimulatedVenue, served: RunningVenue
) -> None:
    states = []
    await set_faults(served, FaultSettings(disconnect_market=0.5))
    async with aclosing(client.market([PERP])) as market:
        async for update in market:
            states += [event.state for event in update.events if isinstance(event, FeedChanged)]
            await client.proceed()

    assert update.is_last
    assert states.count(FeedState.DOWN) == states.count(FeedState.UP) - 1 > 0


async def test_lost_response_leaves_the_outcome_unknown_and_the_order_placed(
    served: RunningVenue, new_client: NewClient
) -> None:
    impatient, patient = await new_client(served.url, timeout_s=0.25), await new_client(served.url)
    await set_faults(served, FaultSettings(answer_lost=1))
    with pytest.raises(OutcomeUnknown):
        await impatient.place(PERP, decision(Side.BUY, "90"))

    assert (await patient.query(PERP, A)).status == "new"


async def test_delayed_lost_response_closes_the_connection(
    client: SimulatedVenue, served: RunningVenue
) -> None:
    await set_faults(served, FaultSettings(answer_lost=1, answer_delay=MILLISECOND_NS))
    with pytest.raises(OutcomeUnknown):
        await client.place(PERP, decision(Side.BUY, "90"))

    assert (await client.query(PERP, A)).status == "new"


async def test_late_request_is_processed_after_the_client_timed_out(
    served: RunningVenue, new_client: NewClient
) -> None:
    impatient, patient = await new_client(served.url, timeout_s=0.25), await new_client(served.url)
    async with aclosing(patient.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(request_late=1, request_delay=24 * SHORT_NS))
        with pytest.raises(OutcomeUnknown):
            await impatient.place(PERP, decision(Side.BUY, "90"))
        with pytest.raises(OrderUnknown):
            await patient.query(PERP, A)

        assert await names(account, 1) == ["a"]


async def test_late_request_outside_its_window_is_rejected(served: RunningVenue) -> None:
    await set_faults(served, FaultSettings(request_late=1, request_delay=SHORT_NS))
    async with SimulatedVenue(served.url, venue=served.venue.settings.venue, receive_window=1) as client:
        with pytest.raises(RequestRejected, match="too_late"):
            await client.place(PERP, decision(Side.BUY, "90"))
        with pytest.raises(OrderUnknown):
            await client.query(PERP, A)


@pytest.mark.parametrize("faults", [{"rate_limited": 1}, {"overloaded": 1}])
async def test_overload_response_has_retry_after_and_no_effect(
    client: SimulatedVenue, served: RunningVenue, faults: dict[str, float]
) -> None:
    await set_faults(served, FaultSettings(retry_after_s=0.25, **faults))  # type: ignore[arg-type]
    with pytest.raises(Overloaded) as caught:
        await client.place(PERP, decision(Side.BUY, "90"))
    await set_faults(served, FaultSettings())

    assert caught.value.retry_after_s == 0.25
    assert await client.open_orders(PERP) == []


async def test_queries_are_correct_under_all_faults_at_once(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    all_faults = FaultSettings(
        lost=0.2, doubled=0.2, late=0.2, reordered=0.2, answer_lost=0.2, answer_delay=1, rate_limited=0.2
    )
    served = await serve(recording_settings(tmp_path, ["100 101 99 100"] * 2, faults=all_faults))
    client = await new_client(served.url)
    async with aclosing(client.account()) as account:
        await anext(account)
        for number in range(40):
            with suppress(VenueError):
                await client.place(PERP, decision(Side.BUY, "90", f"n{number}"))
    await set_faults(served, FaultSettings())

    assert len(await client.open_orders(PERP)) == served.venue.matching.counters.order > 10


def test_faults_are_reproducible() -> None:
    settings = FaultSettings(
        lost=0.3, doubled=0.3, late=0.3, rate_limited=0.1, answer_lost=0.3, request_late=0.3
    )
    first, second = FaultInjector(settings, start=1), FaultInjector(settings, start=1)

    assert [first.for_request(is_write=True) for _ in range(50)] == [
        second.for_request(is_write=True) for _ in range(50)
    ]
    assert [first.for_event(n) for n in range(50)] == [second.for_event(n) for n in range(50)]


def test_request_faults_differ_after_a_restart() -> None:
    settings = FaultSettings(rate_limited=0.5)
    first, second = FaultInjector(settings, start=1), FaultInjector(settings, start=2)

    assert [first.for_request(is_write=True) for _ in range(50)] != [
        second.for_request(is_write=True) for _ in range(50)
    ]


def test_query_is_never_late() -> None:
    faults = FaultInjector(FaultSettings(request_late=1, answer_lost=1), start=1)

    assert faults.for_request(is_write=False) == (None, 0, False)


async def test_venue_shuts_down_while_a_request_is_delayed(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(
        recording_settings(tmp_path, ["100 101 99 100"] * 2, faults=FaultSettings(answer_lost=1))
    )
    client = await new_client(served.url, timeout_s=0.25)

    async with asyncio.timeout(5):
        with pytest.raises(OutcomeUnknown):
            await client.place(PERP, decision(Side.BUY, "90"))


async def arrivals(served: RunningVenue) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}/admin/arrivals") as response:
        return [arrival["client_order_id"] for arrival in await response.json()]


async def test_every_place_request_is_recorded_as_arrived(
    client: SimulatedVenue, served: RunningVenue
) -> None:
    await client.place(PERP, decision(Side.BUY, "90", "a"))
    with suppress(RequestRejected):
        await client.place(PERP, decision(Side.BUY, "90", "a"))
    await set_faults(served, FaultSettings(rate_limited=1))
    with suppress(Overloaded):
        await client.place(PERP, decision(Side.BUY, "90", "b"))
    await set_faults(served, FaultSettings())
    with suppress(RequestRejected):
        await client.place(PERP, decision(Side.BUY, "90.00000001", "c"))

    assert await arrivals(served) == ["a", "a", "b", "c"]
