"""Gateway between a real bus and a simulated venue: each decision carried out at most once."""

import msgspec
import pytest

from bus import Bus, Fenced
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.settings import FaultSettings
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.events import AlertRaised, Severity
from schemas.engine.journal import Step
from schemas.subjects import Stream
from schemas.traceparent import traceparent_of
from schemas.units import SECOND_NS, ClientOrderId, Side
from schemas.venue.orders import CancelOrder, OrderStatus, QueryOrder, RejectReason, ReportSource
from tests.builders import SIM, TICKER, TIME
from tests.producers.conftest import NewClient, RunGateway
from tests.producers.gateways import INTENTS, REPORTS, commit, commit_linked, reports
from tests.producers.simulated.examples import PERP, decision
from tests.producers.streams import first, until

BUY = decision(Side.BUY, "99.5", "a")


async def test_a_committed_order_is_placed_and_reported(
    bus: Bus, served: RunningVenue, run_gateway: RunGateway
) -> None:
    async with run_gateway():
        await commit(bus, BUY)
        (report,) = await reports(bus, 1)
    assert (report.client_order_id, report.status) == ("a", OrderStatus.NEW)
    assert report.source is ReportSource.ANSWER
    assert "a" in served.venue.matching.account.open_orders[PERP]


async def test_the_intent_is_stored_before_the_report(bus: Bus, run_gateway: RunGateway) -> None:
    async with run_gateway():
        await commit(bus, BUY)
        await reports(bus, 1)
        intent = await bus.last(Stream.ORDERS, INTENTS)
        report = await bus.last(Stream.ORDERS, REPORTS)
    assert intent is not None
    assert report is not None
    assert intent.sequence < report.sequence


async def test_a_cancel_waits_for_its_order_to_be_placed(bus: Bus, run_gateway: RunGateway) -> None:
    async with run_gateway():
        await commit(bus, BUY)
        await commit(bus, CancelOrder(client_order_id=BUY.client_order_id), step=2)
        assert [r.status for r in await reports(bus, 2)] == [OrderStatus.NEW, OrderStatus.CANCELED]


async def test_a_rejection_is_reported_with_its_reason_and_the_market_time(
    bus: Bus, run_gateway: RunGateway
) -> None:
    async with run_gateway():
        await commit(bus, decision(Side.BUY, "150", "b"))
        (report,) = await reports(bus, 1)
    assert report.status is OrderStatus.REJECTED
    assert report.reject_reason is RejectReason.POST_ONLY_WOULD_CROSS
    assert report.time == TIME


async def test_old_orders_are_not_sent_and_old_cancels_are(
    bus: Bus, served: RunningVenue, run_gateway: RunGateway
) -> None:
    async with run_gateway():
        await commit(bus, BUY)
        await reports(bus, 1)
    async with run_gateway(place_lifetime_ns=0):
        cancel = CancelOrder(client_order_id=BUY.client_order_id)
        await commit(bus, cancel, decision(Side.BUY, "99", "c"), step=2)
        found = await reports(bus, 3)
    late = next(r for r in found if r.client_order_id == "c")
    assert (late.status, late.reject_reason) == (OrderStatus.NOT_PLACED, RejectReason.TOO_LATE)
    assert OrderStatus.CANCELED in {report.status for report in found if report.client_order_id == "a"}
    assert not served.venue.matching.account.open_orders[PERP]


async def test_an_order_without_a_response_is_queried_and_not_sent_again(
    bus: Bus, served: RunningVenue, new_client: NewClient, run_gateway: RunGateway
) -> None:
    served.faults.settings = FaultSettings(answer_lost=1.0, answer_delay=60 * SECOND_NS)
    impatient = await new_client(served.url, timeout_s=1.0)
    async with run_gateway(entry=impatient):
        await commit(bus, BUY)
        (report,) = await reports(bus, 1)
    assert report.status is OrderStatus.NEW
    assert len(served.venue.history()[0]) == 1


async def test_an_undecodable_intent_is_skipped(bus: Bus, run_gateway: RunGateway) -> None:
    async with run_gateway():
        await commit(bus, BUY)
        await reports(bus, 1)
    await bus.store(INTENTS, TICKER)
    async with run_gateway():
        await commit(bus, decision(Side.BUY, "99", "after"), step=2)
        found = await reports(bus, 2)
    assert [report.client_order_id for report in found] == ["a", "after"]


async def test_an_order_that_waited_longer_than_its_window_is_not_sent(
    bus: Bus, served: RunningVenue, run_gateway: RunGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SimulatedVenue, "receive_window", -1)
    async with run_gateway():
        await commit(bus, BUY)
        (report,) = await reports(bus, 1)
    assert (report.status, report.reject_reason) == (OrderStatus.NOT_PLACED, RejectReason.TOO_LATE)
    assert report.source is ReportSource.GATEWAY
    assert not served.venue.history()[0]


async def test_a_second_gateway_fences_the_first(bus: Bus, run_gateway: RunGateway) -> None:
    async with run_gateway() as old:
        await commit(bus, BUY)
        await reports(bus, 1)
        async with run_gateway():
            await until(bus, Stream.ORDERS, INTENTS, lambda events: events[-1].epoch == 2)  # type: ignore[attr-defined]
            await commit(bus, decision(Side.BUY, "99", "z"), step=2)
            await reports(bus, 2)
            with pytest.RaisesGroup(Fenced):
                await old


async def test_an_undecodable_step_is_skipped(bus: Bus, run_gateway: RunGateway) -> None:
    async with run_gateway():
        await bus.publish(subjects.step(SIM, PERP), b"{invalid")
        await commit(bus, BUY)
        assert await reports(bus, 1)


async def test_a_query_is_answered_with_the_venues_report(
    bus: Bus, client: SimulatedVenue, run_gateway: RunGateway
) -> None:
    await client.place(PERP, BUY)
    await client.cancel(PERP, BUY.client_order_id)
    async with run_gateway():
        await commit(bus, QueryOrder(client_order_id=ClientOrderId("a")))
        (report,) = await reports(bus, 1)
    assert report.status is OrderStatus.CANCELED


async def test_an_order_the_overloaded_venue_rejects_is_not_placed(
    bus: Bus, served: RunningVenue, run_gateway: RunGateway
) -> None:
    served.faults.settings = FaultSettings(overloaded=1.0, retry_after_s=0.01)
    async with run_gateway():
        await commit(bus, BUY)
        (report,) = await reports(bus, 1)
    assert (report.status, report.reject_reason) == (OrderStatus.NOT_PLACED, RejectReason.RATE_LIMITED)


async def test_after_a_broken_chain_only_closing_orders_are_sent_until_the_engine_has_resynchronized(
    bus: Bus, run_gateway: RunGateway
) -> None:
    close = msgspec.structs.replace(decision(Side.BUY, "99", "c"), opens=False)
    async with run_gateway():
        await commit_linked(bus, 1, previous_hash="")
        await commit_linked(bus, 2, BUY, close, previous_hash="of a lost record")
        found = {str(report.client_order_id): report for report in await reports(bus, 2)}
        (alert,) = await first(bus, Stream.ALERTS, subjects.alert(SIM, PERP))
        await commit_linked(bus, 3, is_resyncing=True)
        await commit_linked(bus, 4, decision(Side.BUY, "98", "d"))
        (*_, last) = await reports(bus, 3)
    assert (found["a"].status, found["a"].reject_reason) == (
        OrderStatus.NOT_PLACED,
        RejectReason.RECORDS_LOST,
    )
    assert found["c"].status is OrderStatus.NEW
    assert isinstance(alert, AlertRaised)
    assert (alert.code, alert.severity) == ("chain_broken", Severity.CRITICAL)
    assert (last.client_order_id, last.status) == ("d", OrderStatus.NEW)


async def test_the_intent_and_the_report_have_the_trace_of_their_step(
    bus: Bus, run_gateway: RunGateway
) -> None:
    async with run_gateway():
        await commit(bus, BUY)
        await reports(bus, 1)
        step = await bus.last(Stream.JOURNAL, subjects.step(SIM, PERP))
        intent = await bus.last(Stream.ORDERS, INTENTS)
        report = await bus.last(Stream.ORDERS, REPORTS)
    assert step is not None
    expected = traceparent_of(decode_as(step.data, Step))
    assert [each and each.headers["traceparent"] for each in (intent, report)] == [expected, expected]
