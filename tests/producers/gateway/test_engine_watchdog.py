"""Engine watchdog: detects missing heartbeats, cancels opening orders, publishes alerts."""

import asyncio

import msgspec
import pytest

from bus import Attention, Bus, FreeRunning, Service, open_service
from bus.alerts import store_alert
from producers.gateway.context import GatewayMetrics
from producers.gateway.engine_watchdog import HeartbeatMonitor
from producers.gateway.gateway import Gateway
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from schemas import subjects
from schemas.engine.events import AlertRaised, EngineHeartbeat, Severity
from schemas.grid.state import Slot, SlotOrder, SlotOrderState
from schemas.subjects import Stream
from schemas.units import SECOND_NS, Side, TimeNs
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason
from tests.builders import SIM
from tests.conftest import NewServer
from tests.producers.conftest import RunGateway
from tests.producers.gateways import STEP, commit, new_context, reports
from tests.producers.simulated.examples import PERP, decision
from tests.producers.streams import first

ALERTS = subjects.alert(SIM, PERP)
BUY = decision(Side.BUY, "99.5", "a")
ALERT = AlertRaised(
    venue=SIM, symbol=PERP, severity=Severity.CRITICAL, code="", detail="", step=0, time=TimeNs(1)
)
CLOSE = msgspec.structs.replace(decision(Side.BUY, "99", "c"), opens=False)


async def alerts(bus: Bus, count: int) -> list[str]:
    found = await first(bus, Stream.ALERTS, ALERTS, count)
    return [event.code for event in found if isinstance(event, AlertRaised)]


class Clock:
    """A clock that advances in ticks, like that of a process that runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.attention = Attention(lambda: self.now)
        self.monitor = HeartbeatMonitor(3, self.attention, clock=lambda: self.now)

    def run(self, seconds: float) -> None:
        """Run the process for some seconds."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + 0.25, until)
            self.attention.tick()


def test_an_engine_is_silent_after_the_timeout() -> None:
    clock = Clock()
    clock.monitor.on_heartbeat()
    clock.run(2.9)
    assert not clock.monitor.is_silent
    clock.run(0.2)
    assert clock.monitor.is_silent


def test_the_first_heartbeat_has_a_longer_timeout() -> None:
    clock = Clock()
    clock.run(9.9)
    assert not clock.monitor.is_silent
    clock.run(0.2)
    assert clock.monitor.is_silent


def test_a_heartbeat_ends_the_silence() -> None:
    clock = Clock()
    clock.run(20)
    clock.monitor.on_heartbeat()
    assert not clock.monitor.is_silent


def test_a_pause_of_the_gateway_is_no_silence_of_the_engine() -> None:
    clock = Clock()
    clock.monitor.on_heartbeat()
    clock.run(2.9)
    clock.now += 14  # not one tick meanwhile
    assert not clock.monitor.is_silent
    clock.run(2.9)
    assert not clock.monitor.is_silent
    clock.run(0.2)
    assert clock.monitor.is_silent


def test_without_a_timeout_the_engine_is_never_silent() -> None:
    assert not HeartbeatMonitor(0, Attention(), first_s=0).is_silent


def test_each_silence_of_an_engine_of_version_1_is_an_incident_of_its_own() -> None:
    monitor = HeartbeatMonitor(3, Attention())
    incidents = [monitor.last]
    for _ in range(2):
        monitor.on_heartbeat()
        incidents.append(monitor.last)
    assert len(set(incidents)) == 3


async def test_silence_and_its_end_can_be_awaited() -> None:
    monitor = HeartbeatMonitor(0.02, Attention(), first_s=0)
    monitor.on_heartbeat()
    await monitor.wait_silent()
    waiting = asyncio.create_task(monitor.wait_heartbeat())
    await asyncio.sleep(0)
    monitor.on_heartbeat()
    await waiting
    assert not monitor.is_silent


async def test_without_heartbeats_opening_orders_are_canceled_with_one_alert(
    bus: Bus, service: Service, served: RunningVenue, run_gateway: RunGateway
) -> None:
    context = new_context(service, silent_after_s=0.3)
    async with run_gateway(context=context):
        await commit(bus, BUY, CLOSE)
        found = await reports(bus, 3)
        assert await alerts(bus, 1) == ["engine_silent"]
        assert set(served.venue.matching.account.open_orders[PERP]) == {"c"}
        assert (found[-1].client_order_id, found[-1].status) == ("a", OrderStatus.CANCELED)
        context.heartbeat.on_heartbeat()
        assert await alerts(bus, 2) == ["engine_silent", "engine_heard"]


async def test_alerts_of_an_earlier_run_end_once_the_engine_is_heard(
    bus: Bus, service: Service, run_gateway: RunGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.gateway.engine_watchdog.STEADY_S", 0)
    for code in ("engine_silent", "quarantined", "guard"):
        await store_alert(bus, msgspec.structs.replace(ALERT, code=code, incident=f"{code}.1"))
    context = new_context(service, silent_after_s=60)
    async with run_gateway(context=context):
        await commit(bus)
        context.heartbeat.on_heartbeat()
        found = await first(bus, Stream.ALERTS, ALERTS, 5)
    ended = [each for each in found if isinstance(each, AlertRaised) and each.ended]
    assert {each.incident for each in ended} == {"engine_silent.1", "quarantined.1"}


async def test_opening_orders_are_not_sent_while_the_engine_is_silent(
    bus: Bus, service: Service, run_gateway: RunGateway
) -> None:
    async with run_gateway(context=new_context(service, silent_after_s=0.01)):
        await alerts(bus, 1)
        await commit(bus, BUY, CLOSE)
        found = {str(report.client_order_id): report for report in await reports(bus, 2)}
    assert found["a"].reject_reason is RejectReason.ENGINE_SILENT
    assert found["c"].status is OrderStatus.NEW


async def test_a_restarted_gateway_cancels_opening_orders_of_its_predecessor(
    bus: Bus, service: Service, client: SimulatedVenue, served: RunningVenue, run_gateway: RunGateway
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
    async with run_gateway(context=new_context(service, silent_after_s=0.01)):
        (report,) = await reports(bus, 1)
    assert report.status is OrderStatus.CANCELED
    assert not served.venue.matching.account.open_orders[PERP]


async def test_opening_orders_are_canceled_even_without_the_bus(
    new_server: NewServer, client: SimulatedVenue, served: RunningVenue
) -> None:
    server = await new_server()
    async with open_service("test", bus=server.url, http_port=None) as service:
        gateway = Gateway(
            service,
            client,
            PERP,
            metrics=GatewayMetrics(service.registry),
            gate=FreeRunning(),
            concurrency=8,
            place_lifetime_ns=10 * SECOND_NS,
            context=new_context(service, silent_after_s=0.5),
        )
        task = asyncio.create_task(gateway.run())
        await gateway.following.wait()
        await commit(service.bus, BUY, CLOSE)
        await reports(service.bus, 2)
        server.kill()
        async with asyncio.timeout(10):
            async for update in client.account():
                if isinstance(update.event, OrderReport) and update.event.status is OrderStatus.CANCELED:
                    break
                if "a" not in served.venue.matching.account.open_orders[PERP]:
                    break
        assert set(served.venue.matching.account.open_orders[PERP]) == {"c"}
        task.cancel()
        await asyncio.wait([task])


async def test_the_end_of_a_silence_refers_to_the_same_incident(
    bus: Bus, service: Service, run_gateway: RunGateway
) -> None:
    context = new_context(service, silent_after_s=0.1)
    beat = EngineHeartbeat(venue=SIM, symbol=PERP, engine="one", time=7)
    context.heartbeat.on_heartbeat(beat)
    async with run_gateway(context=context):
        await first(bus, Stream.ALERTS, ALERTS, 1)
        context.heartbeat.on_heartbeat(beat)
        silent, heard = await first(bus, Stream.ALERTS, ALERTS, 2)
    assert isinstance(silent, AlertRaised)
    assert isinstance(heard, AlertRaised)
    assert silent.incident == heard.incident == f"engine_silent.{subjects.registry_key(SIM, PERP)}.one.7"
    assert (silent.ended, heard.ended) == (False, True)
