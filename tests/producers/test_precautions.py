"""What the gateway does on its own authority: limits, rates and a silent engine."""

import asyncio
from decimal import Decimal

import msgspec

from bus import Bus, FreeRunning, Registry, Service, open_service
from producers.gateway.executor import GatewayMetrics
from producers.gateway.exposure import Exposure
from producers.gateway.exposure_feed import ExposureFeed
from producers.gateway.gateway import Gateway
from producers.gateway.latency import Latencies
from producers.gateway.rate_limiter import VenueRateLimiter
from producers.outbox import Outbox
from producers.simulated.app import Served
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.settings import FaultSettings
from schemas import subjects
from schemas.engine.events import AlertRaised
from schemas.engine.portfolio import OrderLatency, PortfolioEntry, PortfolioLimits, PortfolioSettings
from schemas.grid.state import Slot, SlotOrder, SlotOrderState
from schemas.subjects import Stream
from schemas.units import SECOND_NS, Side, Symbol
from schemas.venue.account import Position
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason
from tests.conftest import NewServer
from tests.producers.conftest import RunGateway
from tests.producers.gateways import STEP, commit, new_precautions, reports
from tests.producers.simulated.examples import PERP, SIM, decision
from tests.producers.streams import first, until
from tests.schemas.examples import EXAMPLES

ALERTS = subjects.alert(SIM, PERP)
LIMITS = next(event for event in EXAMPLES if isinstance(event, PortfolioLimits))
POSITION = next(event for event in EXAMPLES if isinstance(event, Position))
BUY = decision(Side.BUY, "99.5", "a")
CLOSE = msgspec.structs.replace(decision(Side.BUY, "99", "c"), opens=False)


ELSEWHERE = Symbol("ETH/USDT:USDT")
HOLDING = msgspec.structs.replace(
    STEP.state,
    symbol=ELSEWHERE,
    price=Decimal(100),
    accounts=msgspec.structs.replace(STEP.state.accounts, position=Decimal(7_000_000)),
    slots={},
)


def has_seen(exposure: Exposure) -> bool:
    return exposure.total() >= 700_000_000


def full() -> Exposure:
    exposure = Exposure()
    exposure.limits = msgspec.structs.replace(LIMITS, is_opening_allowed=False, reason="1000 of 1000")
    return exposure


async def alerts(bus: Bus, count: int) -> list[str]:
    found = await first(bus, Stream.ENGINE, ALERTS, count)
    return [event.code for event in found if isinstance(event, AlertRaised)]


async def test_over_the_limit_nothing_that_opens_is_sent_and_what_closes_is(
    bus: Bus, here: Service, served: Served, run_gateway: RunGateway
) -> None:
    async with run_gateway(precautions=new_precautions(here, exposure=full())):
        await commit(bus, BUY, CLOSE)
        found = {str(report.client_order_id): report for report in await reports(bus, 2)}
    assert (found["a"].status, found["a"].reject_reason) == (
        OrderStatus.NOT_PLACED,
        RejectReason.EXPOSURE_LIMIT,
    )
    assert found["a"].detail == "1000 of 1000"
    assert found["c"].status is OrderStatus.NEW
    assert len(served.venue.history()[0]) == 1


async def test_the_check_knows_settings_limits_and_the_venue_s_positions(bus: Bus, here: Service) -> None:
    exposure = Exposure()
    task = asyncio.create_task(ExposureFeed(exposure, bus, SIM, here.log).run())
    entry = PortfolioEntry(venue=SIM, settings=PortfolioSettings(max_exposure=Decimal(1000)))
    await Registry(bus, "portfolios").create(SIM, entry)
    await bus.store(subjects.limits(SIM), LIMITS)
    await bus.store(subjects.position(SIM, PERP), msgspec.structs.replace(POSITION, symbol=PERP))
    await bus.store(subjects.step(SIM, ELSEWHERE), msgspec.structs.replace(STEP, state=HOLDING))
    async with asyncio.timeout(5):
        while not (exposure.settings and exposure.limits and exposure.positions and has_seen(exposure)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    assert exposure.settings == entry.settings
    assert exposure.limits == LIMITS


async def test_without_a_heartbeat_opening_orders_are_canceled_and_it_is_told_once(
    bus: Bus, here: Service, served: Served, run_gateway: RunGateway
) -> None:
    precautions = new_precautions(here, silent_after_s=0.3)
    async with run_gateway(precautions=precautions):
        await commit(bus, BUY, CLOSE)
        found = await reports(bus, 3)
        assert await alerts(bus, 1) == ["engine_silent"]
        assert set(served.venue.books.account.open_orders[PERP]) == {"c"}
        assert (found[-1].client_order_id, found[-1].status) == ("a", OrderStatus.CANCELED)
        precautions.heartbeat.beat()
        assert await alerts(bus, 2) == ["engine_silent", "engine_heard"]


async def test_nothing_that_opens_is_sent_while_the_engine_is_silent(
    bus: Bus, here: Service, run_gateway: RunGateway
) -> None:
    async with run_gateway(precautions=new_precautions(here, silent_after_s=0.01)):
        await alerts(bus, 1)
        await commit(bus, BUY, CLOSE)
        found = {str(report.client_order_id): report for report in await reports(bus, 2)}
    assert found["a"].reject_reason is RejectReason.ENGINE_SILENT
    assert found["c"].status is OrderStatus.NEW


async def test_a_gateway_that_was_started_anew_takes_back_what_was_open_before(
    bus: Bus, here: Service, client: SimulatedVenue, served: Served, run_gateway: RunGateway
) -> None:
    await client.place(PERP, BUY)
    order = SlotOrder(
        client_order_id=BUY.client_order_id,
        side=BUY.side,
        price=BUY.price,
        quantity=BUY.quantity,
        opens=True,
        state=SlotOrderState.OPEN,
    )
    state = msgspec.structs.replace(STEP.state, slots={-1: Slot(level=-1, cycle=1, order=order)})
    await bus.store(subjects.step(SIM, PERP), msgspec.structs.replace(STEP, state=state, decisions=()))
    async with run_gateway(precautions=new_precautions(here, silent_after_s=0.01)):
        (report,) = await reports(bus, 1)
    assert report.status is OrderStatus.CANCELED
    assert not served.venue.books.account.open_orders[PERP]


async def test_a_burst_of_refusals_lets_all_symbols_rest_and_cancels_come_through(
    bus: Bus, here: Service, served: Served, run_gateway: RunGateway
) -> None:
    served.faults.settings = FaultSettings(rate_limited=1.0, retry_after_s=0.2)
    async with run_gateway(precautions=new_precautions(here, budget=VenueRateLimiter(0, 1))):
        await commit(bus, *(decision(Side.BUY, "99", f"n{number}") for number in range(8)))
        found = await reports(bus, 8)
        served.faults.settings = FaultSettings()
        await commit(bus, BUY, step=2)
        (*_, last) = await reports(bus, 9)
    assert {report.reject_reason for report in found} == {RejectReason.RATE_LIMITED}
    assert last.status is OrderStatus.NEW


async def test_far_orders_that_waited_too_long_are_not_sent(
    bus: Bus, here: Service, served: Served, run_gateway: RunGateway
) -> None:
    orders = [decision(Side.BUY, str(99 - number), f"n{number}") for number in range(4)]
    precautions = new_precautions(here, budget=VenueRateLimiter(0.5, 2))
    async with run_gateway(place_lifetime=SECOND_NS // 5, precautions=precautions):
        await commit(bus, *reversed(orders))
        found = {str(report.client_order_id): report for report in await reports(bus, 4)}
    assert [found[f"n{number}"].status for number in range(4)] == [OrderStatus.NEW] * 2 + [
        OrderStatus.NOT_PLACED
    ] * 2
    assert found["n3"].reject_reason is RejectReason.RATE_LIMITED


async def test_how_long_the_venue_took_is_a_level(bus: Bus, here: Service) -> None:
    latencies = Latencies(SIM, Outbox(here.bus, here.log))
    for milliseconds in range(1, 101):
        latencies.observe(milliseconds * 1_000_000)
    task = asyncio.create_task(latencies.tell())
    (level,) = await until(bus, Stream.ACCOUNT, subjects.order_latency(SIM), bool)
    task.cancel()
    assert isinstance(level, OrderLatency)
    assert (level.p50, level.p99, level.count) == (51_000_000, 100_000_000, 100)


async def test_when_the_bus_is_gone_opening_orders_are_canceled_all_the_same(
    new_server: NewServer, client: SimulatedVenue, served: Served
) -> None:
    server = await new_server()
    async with open_service("test", bus_url=server.url, http_port=None) as here:
        gateway = Gateway(
            here,
            client,
            PERP,
            metrics=GatewayMetrics(here.registry),
            turns=FreeRunning(),
            concurrency=8,
            place_lifetime=10 * SECOND_NS,
            precautions=new_precautions(here, silent_after_s=0.5),
        )
        task = asyncio.create_task(gateway.run())
        await commit(here.bus, BUY, CLOSE)
        await reports(here.bus, 2)
        server.kill()
        async with asyncio.timeout(10):
            async for update in client.account():
                if isinstance(update.event, OrderReport) and update.event.status is OrderStatus.CANCELED:
                    break
                if "a" not in served.venue.books.account.open_orders[PERP]:
                    break
        assert set(served.venue.books.account.open_orders[PERP]) == {"c"}
        task.cancel()
        await asyncio.wait([task])
