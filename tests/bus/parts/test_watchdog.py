"""The watchdog on a real bus: own heartbeats, silent parts, a hung bus."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

from bus import (
    Bus,
    EmbeddedServer,
    Heartbeats,
    NewOnly,
    PartState,
    PartsView,
    PartView,
    StreamGone,
    Watchdog,
    connect,
    get_logger,
    open_service,
    read,
    read_parts,
)
from bus.alerts import store_alert
from bus.parts.alerts import MISSING_FOR_S, PartAlerts
from schemas.codec import decode_as
from schemas.engine.events import AlertRaised, Severity
from schemas.subjects import ALL, Stream
from schemas.units import Symbol
from tests.builders import SIM
from tests.bus.events import eventually
from tests.conftest import NewServer


@asynccontextmanager
async def watching(watchdog: Watchdog) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watchdog.run())
        yield
        running.cancel()


async def until(watchdog: Watchdog, kind: str, state: PartState) -> None:
    """Wait until the watchdog sees a part of a kind in a state."""
    changed = asyncio.Event()
    remove = watchdog.on_change(changed.set)
    async with asyncio.timeout(10):
        while (kind, state) not in {(each.kind, each.state) for each in watchdog.view().parts}:
            changed.clear()
            await changed.wait()
    remove()


@asynccontextmanager
async def alerts_of(bus: Bus) -> AsyncIterator["asyncio.Queue[AlertRaised]"]:
    """Collect the alerts that are stored from now on."""
    found: asyncio.Queue[AlertRaised] = asyncio.Queue()
    ready = asyncio.Event()

    async def follow() -> None:
        async with aclosing(read(bus, Stream.ALERTS, ("alert.>",), NewOnly())) as batches:
            async for batch in batches:
                ready.set()
                for message in batch.messages:
                    found.put_nowait(decode_as(message.data, AlertRaised))

    task = asyncio.create_task(follow())
    await ready.wait()
    yield found
    task.cancel()
    await asyncio.wait([task])


async def until_stored(bus: Bus, subject: str) -> None:
    async def is_stored() -> bool:
        with suppress(StreamGone):
            return await bus.last(Stream.PARTS, subject) is not None
        return False

    await eventually(is_stored)


async def test_a_part_that_stops_sending_is_silent_within_seconds(server: EmbeddedServer, bus: Bus) -> None:
    async with open_service("liveserver", bus=server.url, http_port=None) as service:
        watchdog = Watchdog(service.heartbeats, service.log)
        sending = asyncio.create_task(Heartbeats(bus, "gateway", "g").run())
        async with watching(watchdog):
            await until(watchdog, "gateway", PartState.OK)
            sending.cancel()
            await until(watchdog, "gateway", PartState.SILENT)
            seen = await read_parts(bus, ())
    (silent,) = (each for each in seen.parts if each.state is PartState.SILENT)
    assert silent.incident == watchdog.view().parts[0].incident
    assert silent.incident.startswith("part_silent.gateway.g.")


async def test_an_orderly_stop_is_no_fault(server: EmbeddedServer, bus: Bus) -> None:
    async with open_service("engine", bus=server.url, http_port=None):
        pass
    assert (await read_parts(bus, ())).parts == ()


async def test_a_hung_bus_is_noticed_and_blames_no_part(new_server: NewServer) -> None:
    server = await new_server()
    async with open_service("liveserver", bus=server.url, http_port=None) as service:
        watchdog = Watchdog(service.heartbeats, service.log, alerts=True)
        blamed: list[str] = []
        watchdog.on_change(
            lambda: blamed.extend(each.kind for each in watchdog.view().parts if each.is_wrong)
        )
        async with watching(watchdog), connect(server.url, name="gateway") as other:
            sending = asyncio.create_task(Heartbeats(other, "gateway", "g").run())
            await until(watchdog, "gateway", PartState.OK)
            server.send(signal.SIGSTOP)
            await until(watchdog, "bus", PartState.SILENT)
            server.send(signal.SIGCONT)
            await until(watchdog, "gateway", PartState.OK)
            sending.cancel()
    assert set(blamed) == {"bus"}


async def test_a_deleted_stream_is_created_again(server: EmbeddedServer, bus: Bus) -> None:
    async with open_service("liveserver", bus=server.url, http_port=None) as service:
        watchdog = Watchdog(service.heartbeats, service.log)
        async with watching(watchdog):
            await until(watchdog, "liveserver", PartState.OK)
            await bus.api(f"STREAM.DELETE.{Stream.PARTS}", None, dict)
            await until_stored(bus, service.heartbeats.subject)
            await until(watchdog, "liveserver", PartState.OK)


async def test_two_watchers_raise_one_incident_and_end_it(server: EmbeddedServer, bus: Bus) -> None:
    async with (
        open_service("liveserver", bus=server.url, http_port=None, labels={"name": "a"}) as first,
        open_service("liveserver", bus=server.url, http_port=None, labels={"name": "b"}) as second,
        watching(Watchdog(first.heartbeats, first.log, alerts=True)),
        watching(Watchdog(second.heartbeats, second.log, alerts=True)),
        alerts_of(bus) as alerts,
        asyncio.timeout(30),
    ):
        gateway = Heartbeats(bus, "gateway", "g")
        sending = asyncio.create_task(gateway.run())
        await until_stored(bus, gateway.subject)
        sending.cancel()
        raised = await alerts.get()
        sending = asyncio.create_task(gateway.run())
        ended = await alerts.get()
        sending.cancel()
    assert (raised.code, raised.severity, raised.ended) == ("part_silent", Severity.CRITICAL, False)
    assert (ended.incident, ended.ended) == (raised.incident, True)
    assert alerts.empty()


async def test_the_alert_of_an_earlier_watcher_is_ended(server: EmbeddedServer, bus: Bus) -> None:
    alert = AlertRaised(
        venue=SIM,
        symbol=Symbol(ALL),
        severity=Severity.CRITICAL,
        code="part_silent",
        detail="",
        step=0,
        time=0,
        incident="part_silent.gateway.g.7",
    )
    await store_alert(bus, alert)
    part = PartView(kind="gateway", name="g", state=PartState.OK)
    alerts = PartAlerts(bus, get_logger("test"))
    alerts.update(PartsView((part,)), may_end=True)
    async with alerts_of(bus) as stored, asyncio.timeout(10):
        running = asyncio.create_task(alerts.run())
        ended = await stored.get()
        running.cancel()
    assert (ended.incident, ended.ended, ended.detail) == (
        alert.incident,
        True,
        "The gateway g sends heartbeats.",
    )


async def test_a_silent_part_that_was_replaced_is_an_alert_of_medium_severity(bus: Bus) -> None:
    hung = PartView(
        kind="engine",
        name="engine-1",
        state=PartState.SILENT,
        incident="part_silent.engine.engine-1.7",
        is_replaced=True,
    )
    alerts = PartAlerts(bus, get_logger("test"))
    async with alerts_of(bus) as stored, asyncio.timeout(10):
        running = asyncio.create_task(alerts.run())
        alerts.update(PartsView((hung,)), may_end=True)
        alert = await stored.get()
        running.cancel()
    assert (alert.incident, alert.severity) == (hung.incident, Severity.MEDIUM)


async def test_a_missing_part_is_an_alert_once_the_stack_had_time_to_start(bus: Bus) -> None:
    now = [0.0]
    missing = PartView(
        kind="engine", name="engine", state=PartState.MISSING, incident="part_missing.engine.engine.7"
    )
    alerts = PartAlerts(bus, get_logger("test"), lambda: now[0])
    async with alerts_of(bus) as stored, asyncio.timeout(10):
        running = asyncio.create_task(alerts.run())
        for now[0] in (0.0, MISSING_FOR_S - 1):
            alerts.update(PartsView((missing,)), may_end=True)
            await asyncio.sleep(0)
        assert stored.empty()
        now[0] = MISSING_FOR_S
        alerts.update(PartsView((missing,)), may_end=True)
        assert (await stored.get()).incident == missing.incident
        running.cancel()


async def test_a_pause_of_the_watcher_does_not_end_the_silence_of_the_bus(bus: Bus) -> None:
    now_s = 0.0
    watchdog = Watchdog(Heartbeats(bus, "liveserver", "l"), get_logger("test"), clock=lambda: now_s)
    while watchdog.view().blocked_all is None and now_s < 10:
        now_s += 0.25
        watchdog.evaluate()
    now_s += 20
    watchdog.evaluate()

    assert watchdog.view().blocked_all is not None
