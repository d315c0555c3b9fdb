"""Each kind of fault: what a client sees of it, and that the books stay true."""

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
    RequestRefused,
    VenueError,
)
from producers.simulated.app import Served
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.server.faults import Faults
from producers.simulated.settings import FaultSettings
from schemas.units import MILLISECOND_NS, ClientOrderId, Side
from schemas.venue.market import FeedChanged, FeedState
from schemas.venue.orders import OrderReport
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, decision, recorded

A = ClientOrderId("a")
SHORT_NS = 50 * MILLISECOND_NS


async def set_faults(served: Served, faults: FaultSettings) -> None:
    url, body = f"{served.url}/admin/faults", msgspec.json.encode(faults)
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as answer:
        assert msgspec.json.decode(await answer.read(), type=FaultSettings) == faults


async def place_three(client: SimulatedVenue) -> None:
    for name in "abc":
        await client.place(PERP, decision(Side.BUY, "90", name))


async def names(account: AsyncGenerator[AccountUpdate, None], count: int) -> list[str]:
    """Return the ids of the next reports."""
    events = [(await anext(account)).event for _ in range(count)]
    return [event.client_order_id for event in events if isinstance(event, OrderReport)]


async def test_faults_are_told_and_changed_while_running(served: Served) -> None:
    await set_faults(served, FaultSettings(lost=0.5))
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}/admin/faults") as answer:
        assert (await answer.json())["lost"] == 0.5


async def test_faults_that_cannot_be_are_refused(served: Served) -> None:
    url = f"{served.url}/admin/faults"
    async with aiohttp.ClientSession() as session, session.post(url, data=b'{"lost": 2}') as answer:
        assert answer.status == 400
    assert served.faults.settings.lost == 0


async def test_a_lost_event_leaves_a_gap_in_the_numbers_and_the_order_in_the_books(
    client: SimulatedVenue, served: Served
) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(lost=1))
        await client.place(PERP, decision(Side.BUY, "90"))
        await set_faults(served, FaultSettings())
        await client.cancel(PERP, A)

        assert (await anext(account)).sequence == 2
    assert (await client.query(PERP, A)).status == "canceled"


async def test_a_doubled_event_comes_twice(client: SimulatedVenue, served: Served) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(doubled=1))
        await client.place(PERP, decision(Side.BUY, "90"))

        assert await anext(account) == await anext(account)


async def test_a_late_event_comes_after_later_ones(client: SimulatedVenue, served: Served) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(late=1, late_by=10 * SHORT_NS))
        await client.place(PERP, decision(Side.BUY, "90", "a"))
        await set_faults(served, FaultSettings())
        await client.place(PERP, decision(Side.BUY, "90", "b"))

        assert await names(account, 2) == ["b", "a"]


async def test_a_reordered_event_comes_after_the_next(client: SimulatedVenue, served: Served) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(reordered=1))
        await client.place(PERP, decision(Side.BUY, "90", "a"))
        await set_faults(served, FaultSettings())
        await client.place(PERP, decision(Side.BUY, "90", "b"))

        assert await names(account, 2) == ["b", "a"]


async def test_a_reordered_event_with_nothing_after_it_comes_all_the_same(
    client: SimulatedVenue, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.simulated.server.streams.HELD_S", 0.01)
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(reordered=1))
        await client.place(PERP, decision(Side.BUY, "90"))

        assert await names(account, 1) == ["a"]


async def test_an_account_stream_that_is_cut_begins_anew(client: SimulatedVenue, served: Served) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(disconnect_account=1))
        await client.place(PERP, decision(Side.BUY, "90"))

        assert await anext(account) == AccountUpdate(0, None, is_lost=True)
        assert await anext(account) == AccountUpdate(1, None)


async def test_a_market_stream_that_is_cut_loses_no_tick_in_lock_step(
    client: SimulatedVenue, served: Served
) -> None:
    states = []
    await set_faults(served, FaultSettings(disconnect_market=0.5))
    async with aclosing(client.market([PERP])) as market:
        async for update in market:
            states += [event.state for event in update.events if isinstance(event, FeedChanged)]
            await client.proceed()

    assert update.is_last
    assert states.count(FeedState.DOWN) == states.count(FeedState.UP) - 1 > 0


async def test_a_lost_answer_leaves_the_outcome_unknown_and_the_order_placed(
    served: Served, new_client: NewClient
) -> None:
    hasty, patient = await new_client(served.url, timeout_s=0.25), await new_client(served.url)
    await set_faults(served, FaultSettings(answer_lost=1))
    with pytest.raises(OutcomeUnknown):
        await hasty.place(PERP, decision(Side.BUY, "90"))

    assert (await patient.query(PERP, A)).status == "new"


async def test_an_answer_that_is_held_back_ends_in_a_lost_connection(
    client: SimulatedVenue, served: Served
) -> None:
    await set_faults(served, FaultSettings(answer_lost=1, answer_delay=MILLISECOND_NS))
    with pytest.raises(OutcomeUnknown):
        await client.place(PERP, decision(Side.BUY, "90"))

    assert (await client.query(PERP, A)).status == "new"


async def test_a_request_may_arrive_after_its_sender_gave_up(served: Served, new_client: NewClient) -> None:
    hasty, patient = await new_client(served.url, timeout_s=0.25), await new_client(served.url)
    async with aclosing(patient.account()) as account:
        await anext(account)
        await set_faults(served, FaultSettings(request_late=1, request_delay=24 * SHORT_NS))
        with pytest.raises(OutcomeUnknown):
            await hasty.place(PERP, decision(Side.BUY, "90"))
        with pytest.raises(OrderUnknown):
            await patient.query(PERP, A)

        assert await names(account, 1) == ["a"]


async def test_a_request_that_arrives_after_its_window_is_refused(served: Served) -> None:
    await set_faults(served, FaultSettings(request_late=1, request_delay=SHORT_NS))
    async with SimulatedVenue(served.url, venue=served.venue.settings.venue, receive_window=1) as client:
        with pytest.raises(RequestRefused, match="too_late"):
            await client.place(PERP, decision(Side.BUY, "90"))
        with pytest.raises(OrderUnknown):
            await client.query(PERP, A)


@pytest.mark.parametrize("faults", [{"rate_limited": 1}, {"overloaded": 1}])
async def test_a_rejected_request_says_when_to_come_back_and_does_nothing(
    client: SimulatedVenue, served: Served, faults: dict[str, float]
) -> None:
    await set_faults(served, FaultSettings(retry_after_s=0.25, **faults))  # type: ignore[arg-type]
    with pytest.raises(Overloaded) as caught:
        await client.place(PERP, decision(Side.BUY, "90"))
    await set_faults(served, FaultSettings())

    assert caught.value.retry_after_s == 0.25
    assert await client.open_orders(PERP) == []


async def test_the_queries_are_true_under_all_faults_at_once(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    every = FaultSettings(
        lost=0.2, doubled=0.2, late=0.2, reordered=0.2, answer_lost=0.2, answer_delay=1, rate_limited=0.2
    )
    served = await serve(recorded(tmp_path, ["100 101 99 100"] * 2, faults=every))
    client = await new_client(served.url)
    async with aclosing(client.account()) as account:
        await anext(account)
        for number in range(40):
            with suppress(VenueError):
                await client.place(PERP, decision(Side.BUY, "90", f"n{number}"))
    await set_faults(served, FaultSettings())

    assert len(await client.open_orders(PERP)) == served.venue.books.counters.order > 10


def test_the_same_numbers_meet_the_same_fate() -> None:
    settings = FaultSettings(
        lost=0.3, doubled=0.3, late=0.3, rate_limited=0.1, answer_lost=0.3, request_late=0.3
    )
    one, other = Faults(settings, start=1), Faults(settings, start=1)

    assert [one.request(acts=True) for _ in range(50)] == [other.request(acts=True) for _ in range(50)]
    assert [one.delivery(n) for n in range(50)] == [other.delivery(n) for n in range(50)]


def test_after_a_restart_requests_meet_other_fates() -> None:
    settings = FaultSettings(rate_limited=0.5)
    one, other = Faults(settings, start=1), Faults(settings, start=2)

    assert [one.request(acts=True) for _ in range(50)] != [other.request(acts=True) for _ in range(50)]


def test_a_query_is_never_late() -> None:
    faults = Faults(FaultSettings(request_late=1, answer_lost=1), start=1)

    assert faults.request(acts=False) == (None, 0, False)


async def test_the_venue_ends_while_it_holds_a_request(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(recorded(tmp_path, ["100 101 99 100"] * 2, faults=FaultSettings(answer_lost=1)))
    client = await new_client(served.url, timeout_s=0.25)

    async with asyncio.timeout(5):
        with pytest.raises(OutcomeUnknown):
            await client.place(PERP, decision(Side.BUY, "90"))


async def arrivals(served: Served) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}/admin/arrivals") as answer:
        return [arrival["client_order_id"] for arrival in await answer.json()]


async def test_every_request_to_place_is_noted_whatever_becomes_of_it(
    client: SimulatedVenue, served: Served
) -> None:
    await client.place(PERP, decision(Side.BUY, "90", "a"))
    with suppress(RequestRefused):
        await client.place(PERP, decision(Side.BUY, "90", "a"))
    await set_faults(served, FaultSettings(rate_limited=1))
    with suppress(Overloaded):
        await client.place(PERP, decision(Side.BUY, "90", "b"))
    await set_faults(served, FaultSettings())
    with suppress(RequestRefused):
        await client.place(PERP, decision(Side.BUY, "90.00000001", "c"))

    assert await arrivals(served) == ["a", "a", "b", "c"]
