"""Severe alerts on the console: each incident once, and its end."""

import asyncio

from msgspec.structs import replace

from bus import Bus
from cli.background import background_task
from cli.stack.alert_watch import AlertWatch
from schemas import subjects
from schemas.engine.events import AlertRaised, Severity
from tests.builders import BTC, SIM, TIME

ALERT = AlertRaised(
    venue=SIM,
    symbol=BTC,
    severity=Severity.CRITICAL,
    code="engine_silent",
    detail="no heartbeat",
    step=0,
    time=TIME,
    incident="a",
)
ENDED = replace(ALERT, severity=Severity.LOW, code="engine_heard", detail="after 4 s", ended=True)


def test_an_incident_and_its_end_are_printed_once(bus: Bus) -> None:
    printed: list[str] = []
    watch = AlertWatch(bus, printed.append)

    for alert in (ALERT, ALERT, replace(ALERT, incident="b", severity=Severity.LOW), ENDED, ENDED):
        watch.apply(alert)

    assert printed == [
        "alert CRITICAL: sim BTC/USDT:USDT: engine silent: no heartbeat",
        "alert ended: sim BTC/USDT:USDT: engine heard: after 4 s",
    ]


async def test_alerts_are_read_from_the_bus(bus: Bus) -> None:
    found: asyncio.Queue[str] = asyncio.Queue()
    async with background_task(AlertWatch(bus, found.put_nowait).run(), "alerts"), asyncio.timeout(10):
        number = 0
        while found.empty():  # the watch starts with new messages at a time of its own
            number += 1
            await bus.store(subjects.alert(SIM, BTC), replace(ALERT, incident=str(number)))
        assert (await found.get()).startswith("alert CRITICAL")
