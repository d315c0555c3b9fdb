"""Takeover from an earlier gateway: what it may have sent is queried, and never sent again."""

import asyncio

import msgspec
import pytest

from bus import Bus, Journal, Service
from producers.gateway import executor
from producers.gateway.takeover import Takeover
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from schemas import subjects
from schemas.codec import encode
from schemas.formats import record_hash
from schemas.subjects import Stream
from schemas.units import MILLISECOND_NS, SECOND_NS, Side, Symbol, TimeNs
from schemas.venue.orders import (
    CancelOrder,
    Decision,
    OrderIntent,
    OrderReport,
    OrderStatus,
    PlaceOrder,
    RecordRef,
    RejectReason,
)
from tests.builders import SIM, TIME
from tests.producers.conftest import RunGateway
from tests.producers.gateways import INTENTS, STEP, commit, new_context, reports
from tests.producers.simulated.examples import PERP, decision
from tests.producers.streams import first, until

BUY = decision(Side.BUY, "99.5", "a")
STEPS = subjects.step(SIM, PERP)


@pytest.fixture
def short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make unknown orders final at once."""
    monkeypatch.setattr(SimulatedVenue, "receive_window", MILLISECOND_NS)
    monkeypatch.setattr(executor, "CLOCK_MARGIN_NS", MILLISECOND_NS)


async def store_intent(bus: Bus, step_sequence: int, *decisions: Decision, step_hash: str = "") -> int:
    intent = OrderIntent(
        venue=SIM,
        symbol=PERP,
        epoch=1,
        step=1,
        step_sequence=step_sequence,
        decisions=decisions,
        time=TIME,
        step_hash=step_hash,
    )
    return await bus.store(INTENTS, intent)


async def intents(bus: Bus, count: int) -> list[OrderIntent]:
    found = await first(bus, Stream.ORDERS, INTENTS, count)
    return [event for event in found if isinstance(event, OrderIntent)]


async def test_the_first_intent_of_a_symbol_has_no_decisions(bus: Bus, run_gateway: RunGateway) -> None:
    async with run_gateway():
        (genesis,) = await intents(bus, 1)
    assert (genesis.epoch, genesis.step, genesis.step_sequence, genesis.decisions) == (1, 0, 0, ())
    assert genesis.created_time > 0


async def test_an_intent_names_its_step_and_the_intent_before_it(bus: Bus, run_gateway: RunGateway) -> None:
    async with run_gateway():
        sequence = await commit(bus, BUY)
        genesis, intent = await intents(bus, 2)
        step = await bus.last(Stream.JOURNAL, STEPS)
    assert step is not None
    assert (intent.step_sequence, intent.step_hash) == (sequence, record_hash(step.data))
    assert intent.previous_hash == record_hash(encode(genesis))


async def test_orders_of_a_crashed_gateway_are_resolved(
    bus: Bus, client: SimulatedVenue, run_gateway: RunGateway
) -> None:
    await store_intent(bus, await commit(bus, BUY), BUY)
    await client.place(PERP, BUY)
    async with run_gateway():
        (report,) = await reports(bus, 1)
    assert report.status is OrderStatus.NEW


async def test_an_order_that_never_arrived_is_reported_as_not_placed_after_its_window(
    bus: Bus, served: RunningVenue, run_gateway: RunGateway, short_window: None
) -> None:
    await store_intent(bus, await commit(bus, BUY), BUY)
    async with run_gateway():
        (report,) = await reports(bus, 1)
    assert (report.status, report.reject_reason) == (OrderStatus.NOT_PLACED, RejectReason.NOT_FOUND)
    assert not served.venue.history()[0]


async def test_an_intended_cancel_is_sent_by_the_next_gateway(
    bus: Bus, client: SimulatedVenue, run_gateway: RunGateway
) -> None:
    await client.place(PERP, BUY)
    cancel = CancelOrder(client_order_id=BUY.client_order_id)
    await store_intent(bus, await commit(bus, cancel), cancel)
    async with run_gateway():
        (report,) = await reports(bus, 1)
    assert report.status is OrderStatus.CANCELED


async def test_orders_of_steps_before_the_claim_are_queried_and_not_sent(
    bus: Bus, served: RunningVenue, run_gateway: RunGateway, short_window: None
) -> None:
    await store_intent(bus, 0)
    sequence = await commit(bus, BUY)
    async with run_gateway():
        (report,) = await reports(bus, 1)
        *_, recovery = await intents(bus, 3)
    assert (report.status, report.reject_reason) == (OrderStatus.NOT_PLACED, RejectReason.NOT_FOUND)
    assert (recovery.step_sequence, recovery.decisions, recovery.unresolved) == (sequence, (), ("a",))
    assert not served.venue.history()[0]


async def test_cancels_of_steps_before_the_claim_are_sent(
    bus: Bus, client: SimulatedVenue, run_gateway: RunGateway
) -> None:
    await client.place(PERP, BUY)
    await store_intent(bus, 0)
    await commit(bus, CancelOrder(client_order_id=BUY.client_order_id))
    async with run_gateway():
        (report,) = await reports(bus, 1)
    assert report.status is OrderStatus.CANCELED


async def test_after_a_loss_of_all_intents_recent_orders_are_queried(
    bus: Bus, served: RunningVenue, run_gateway: RunGateway
) -> None:
    async with run_gateway():
        sequence = await commit(bus, BUY)
        await reports(bus, 1)
    await bus.api("STREAM.PURGE.ORDERS", {"filter": "order.>"}, dict)
    async with run_gateway():
        report = (await until(bus, Stream.ORDERS, subjects.order_report(SIM, PERP), bool))[-1]
        *_, recovery = await intents(bus, 2)
    assert isinstance(report, OrderReport)
    assert (report.client_order_id, report.status) == ("a", OrderStatus.NEW)
    assert (recovery.step_sequence, recovery.unresolved) == (sequence, ("a",))
    assert len(served.venue.history()[0]) == 1


async def test_an_intent_that_differs_from_the_one_a_step_names_means_lost_intents(
    bus: Bus, run_gateway: RunGateway, short_window: None
) -> None:
    named = RecordRef(sequence=await store_intent(bus, 0), hash="of another record")
    step = msgspec.structs.replace(STEP, step=1, decisions=(BUY,), intent=named)
    await store_intent(bus, await bus.store(STEPS, step))
    async with run_gateway():
        (report,) = await reports(bus, 1)
    assert (report.client_order_id, report.status) == ("a", OrderStatus.NOT_PLACED)


async def test_a_step_that_differs_from_the_one_an_intent_names_means_lost_steps(
    bus: Bus, run_gateway: RunGateway, short_window: None
) -> None:
    await store_intent(bus, await commit(bus, BUY), step_hash="of another record")
    async with run_gateway():
        (report,) = await reports(bus, 1)
    assert (report.client_order_id, report.status) == ("a", OrderStatus.NOT_PLACED)


async def test_a_lost_step_stays_named_so_that_the_engine_notices(
    bus: Bus, run_gateway: RunGateway, short_window: None
) -> None:
    await store_intent(bus, 70, BUY)
    await commit(bus, decision(Side.BUY, "99", "b"))
    async with run_gateway():
        found = {report.client_order_id for report in await reports(bus, 2)}
        *_, recovery = await intents(bus, 3)
    assert found == {"a", "b"}
    assert (recovery.step_sequence, set(recovery.unresolved)) == (70, {"a", "b"})


async def test_records_that_name_each_other_are_not_lost(bus: Bus, service: Service) -> None:
    step = msgspec.structs.replace(STEP, step=1, decisions=(BUY,))
    sequence = await store_intent(bus, await bus.store(STEPS, step), step_hash=record_hash(encode(step)))
    intent = await bus.last(Stream.ORDERS, INTENTS)
    assert intent is not None
    named = RecordRef(sequence=sequence, hash=record_hash(intent.data))
    await bus.store(STEPS, msgspec.structs.replace(STEP, step=2, decisions=(), intent=named))
    journal = await Journal.open(bus, Stream.ORDERS, INTENTS)
    inherited = await Takeover(bus, service.log, SIM, PERP, SECOND_NS).run(journal)
    assert (inherited.orders, inherited.unresolved) == ((), {})


class StalledVenue(SimulatedVenue):
    """A connection whose placements leave this machine only when `is_open` is set."""

    def __init__(self, url: str) -> None:
        super().__init__(url, venue=SIM, receive_window=SECOND_NS // 5)
        self.timestamp: TimeNs | None = None
        self.has_begun = asyncio.Event()
        self.is_open = asyncio.Event()
        self.has_ended = asyncio.Event()

    async def place(self, symbol: Symbol, order: PlaceOrder, timestamp: TimeNs | None = None) -> OrderReport:
        self.timestamp = timestamp
        self.has_begun.set()
        await self.is_open.wait()
        try:
            return await super().place(symbol, order, timestamp)
        finally:
            self.has_ended.set()


async def test_an_order_is_sent_with_the_time_of_its_intent(
    bus: Bus, served: RunningVenue, run_gateway: RunGateway
) -> None:
    async with StalledVenue(served.url) as entry, run_gateway(entry=entry):
        await commit(bus, BUY)
        _, intent = await intents(bus, 2)
        await entry.has_begun.wait()
    assert entry.timestamp == intent.created_time


async def test_a_stalled_gateway_cannot_place_an_order_that_was_reported_as_not_placed(
    bus: Bus, service: Service, served: RunningVenue, run_gateway: RunGateway
) -> None:
    async with (
        StalledVenue(served.url) as stalled,
        run_gateway(entry=stalled, context=new_context(service)),
    ):
        await commit(bus, BUY)
        await stalled.has_begun.wait()
        async with (
            SimulatedVenue(served.url, venue=SIM, receive_window=SECOND_NS // 5) as other,
            run_gateway(entry=other, context=new_context(service)),
        ):
            (report,) = await reports(bus, 1)
            assert report.status is OrderStatus.NOT_PLACED
            stalled.is_open.set()
            await stalled.has_ended.wait()
    assert not served.venue.history()[0]
