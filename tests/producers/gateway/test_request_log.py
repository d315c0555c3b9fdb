"""Record of the gateway's requests, from a real bus and a simulated venue."""

from bus import Bus
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.settings import FaultSettings
from schemas import subjects
from schemas.subjects import Stream
from schemas.units import SECOND_NS, Side
from schemas.venue.orders import CancelOrder, OrderIntent, RejectReason
from schemas.venue.requests import OrderRequest, RequestAction, RequestOutcome
from tests.builders import SIM, TIME
from tests.producers.conftest import NewClient, RunGateway
from tests.producers.gateways import INTENTS, commit, reports
from tests.producers.simulated.examples import PERP, decision
from tests.producers.streams import first

REQUESTS = subjects.order_request(SIM, PERP)
BUY = decision(Side.BUY, "99.5", "a")
CANCEL = CancelOrder(client_order_id=BUY.client_order_id)


async def requests(bus: Bus, count: int) -> list[OrderRequest]:
    found = await first(bus, Stream.ORDERS, REQUESTS, count)
    return [event for event in found if isinstance(event, OrderRequest)]


def kinds(records: list[OrderRequest]) -> list[tuple[RequestAction, RequestOutcome, int]]:
    return [(each.action, each.outcome, each.attempt) for each in records]


async def test_a_placement_is_recorded_with_its_intent_and_times(bus: Bus, run_gateway: RunGateway) -> None:
    async with run_gateway():
        await commit(bus, BUY)
        (record,) = await requests(bus, 1)
        intent = await bus.last(Stream.ORDERS, INTENTS)
    assert intent is not None
    assert (record.client_order_id, record.outcome) == ("a", RequestOutcome.ACCEPTED)
    assert record.intent_sequence == intent.sequence
    assert record.sent is not None
    assert record.sent <= (record.answered or 0)


async def test_a_rejection_is_recorded_with_its_reason(bus: Bus, run_gateway: RunGateway) -> None:
    async with run_gateway():
        await commit(bus, decision(Side.BUY, "150", "b"))
        (record,) = await requests(bus, 1)
    assert (record.outcome, record.error) == (RequestOutcome.REJECTED, "RequestRejected")
    assert record.reject_reason is RejectReason.POST_ONLY_WOULD_CROSS


async def test_a_request_without_an_answer_is_recorded_before_its_queries(
    bus: Bus, served: RunningVenue, new_client: NewClient, run_gateway: RunGateway
) -> None:
    served.faults.settings = FaultSettings(answer_lost=1.0, answer_delay=60 * SECOND_NS)
    async with run_gateway(entry=await new_client(served.url, timeout_s=0.2)):
        await commit(bus, BUY)
        placed, queried = await requests(bus, 2)
    assert kinds([placed]) == [(RequestAction.PLACE, RequestOutcome.OUTCOME_UNKNOWN, 1)]
    assert (placed.answered, queried.outcome) == (None, RequestOutcome.ACCEPTED)


async def test_retries_of_a_cancel_are_numbered(
    bus: Bus, served: RunningVenue, client: SimulatedVenue, run_gateway: RunGateway
) -> None:
    await client.place(PERP, BUY)
    served.faults.settings = FaultSettings(overloaded=1.0, retry_after_s=0.01)
    async with run_gateway():
        await commit(bus, CANCEL)
        await requests(bus, 1)
        served.faults.settings = FaultSettings()
        *failed, last = await requests(bus, 2)
    assert kinds([failed[0]]) == [(RequestAction.CANCEL, RequestOutcome.OVERLOADED, 1)]
    assert last.attempt == 2


async def test_without_a_connection_nothing_was_sent(
    bus: Bus, new_client: NewClient, run_gateway: RunGateway, free_port: int
) -> None:
    async with run_gateway(entry=await new_client(f"http://127.0.0.1:{free_port}")):
        await commit(bus, BUY)
        (record,) = await requests(bus, 1)
    assert (record.outcome, record.sent, record.answered) == (RequestOutcome.UNREACHABLE, None, None)


async def test_an_order_that_expired_is_recorded_as_not_sent(bus: Bus, run_gateway: RunGateway) -> None:
    async with run_gateway(place_lifetime_ns=0):
        await commit(bus, BUY)
        (record,) = await requests(bus, 1)
    assert (record.outcome, record.sent) == (RequestOutcome.NOT_SENT, None)
    assert record.reject_reason is RejectReason.TOO_LATE


async def test_a_successor_records_the_orders_that_it_inherits(
    bus: Bus, client: SimulatedVenue, run_gateway: RunGateway
) -> None:
    sequence = await commit(bus, BUY)
    intent = OrderIntent(
        venue=SIM, symbol=PERP, epoch=1, step=1, step_sequence=sequence, decisions=(BUY,), time=TIME
    )
    intent_sequence = await bus.store(INTENTS, intent)
    await client.place(PERP, BUY)
    async with run_gateway():
        inherited, queried = await requests(bus, 2)
    assert (inherited.outcome, inherited.sent) == (RequestOutcome.INHERITED, None)
    assert inherited.intent_sequence == intent_sequence
    assert kinds([queried]) == [(RequestAction.QUERY, RequestOutcome.ACCEPTED, 1)]


async def test_a_clean_end_stores_what_is_queued(bus: Bus, run_gateway: RunGateway) -> None:
    orders = [decision(Side.BUY, "99", f"n{number}") for number in range(20)]
    async with run_gateway():
        await commit(bus, *orders)
        await reports(bus, 20)
    found = await bus.api("STREAM.INFO.ORDERS", {"subjects_filter": REQUESTS}, dict)
    assert found["state"]["subjects"] == {REQUESTS: 20}
