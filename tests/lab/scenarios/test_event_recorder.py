"""Event recorder: waiting for events on the bus, and their summary."""

import asyncio

import pytest

from bus import Bus
from lab.scenarios.event_recorder import NotObserved, recording_events
from schemas import subjects
from schemas.engine.events import AlertRaised, Severity
from schemas.units import Symbol, VenueId

SIM, BTC = VenueId("sim"), Symbol("BTC/USDT:USDT")


def alert(code: str) -> AlertRaised:
    return AlertRaised(
        venue=SIM, symbol=BTC, severity=Severity.LOW, code=code, detail=f"because of {code}", step=1, time=1
    )


async def test_matching_event_is_found_when_it_arrives_later(bus: Bus) -> None:
    async with recording_events(bus) as recorder:
        found = asyncio.create_task(recorder.wait_for("b", AlertRaised, lambda e: e.code == "b"))
        for code in "ab":
            await bus.store(subjects.alert(SIM, BTC), alert(code))
        assert (await found).code == "b"
        assert [line.rpartition("  ")[2] for line in recorder.summary()] == [
            "BTC/USDT:USDT   LOW a: because of a".rpartition("  ")[2],
            "BTC/USDT:USDT   LOW b: because of b".rpartition("  ")[2],
        ]


async def test_missing_event_is_described(bus: Bus) -> None:
    async with recording_events(bus) as recorder:
        with pytest.raises(NotObserved, match=r"not observed within 0\.05 s: an alert"):
            await recorder.wait_for("an alert", AlertRaised, within_s=0.05)


async def test_earlier_events_are_not_recorded(bus: Bus) -> None:
    await bus.store(subjects.alert(SIM, BTC), alert("before"))
    async with recording_events(bus) as recorder:
        await bus.store(subjects.alert(SIM, BTC), alert("after"))
        first = await recorder.wait_for("any alert", AlertRaised)
        assert first.code == "after"
