"""What a scenario hears of the bus."""

import asyncio

import pytest

from bus import Bus
from lab.scenarios.event_recorder import NotSeen, telling
from schemas import subjects
from schemas.engine.events import AlertRaised, Severity
from schemas.units import Symbol, VenueId

SIM, BTC = VenueId("sim"), Symbol("BTC/USDT:USDT")


def alert(code: str) -> AlertRaised:
    return AlertRaised(
        venue=SIM, symbol=BTC, severity=Severity.LOW, code=code, detail=f"because of {code}", step=1, time=1
    )


async def test_what_is_wanted_is_found_however_late_it_comes(bus: Bus) -> None:
    async with telling(bus) as story:
        found = asyncio.create_task(story.until("b", AlertRaised, lambda e: e.code == "b"))
        for code in "ab":
            await bus.store(subjects.alert(SIM, BTC), alert(code))
        assert (await found).code == "b"
        assert [line.rpartition("  ")[2] for line in story.lines()] == [
            "BTC/USDT:USDT   LOW a: because of a".rpartition("  ")[2],
            "BTC/USDT:USDT   LOW b: because of b".rpartition("  ")[2],
        ]


async def test_what_does_not_happen_is_named(bus: Bus) -> None:
    async with telling(bus) as story:
        with pytest.raises(NotSeen, match=r"not seen within 0\.05 s: an alert"):
            await story.until("an alert", AlertRaised, within_s=0.05)


async def test_what_was_before_the_story_is_no_part_of_it(bus: Bus) -> None:
    await bus.store(subjects.alert(SIM, BTC), alert("before"))
    async with telling(bus) as story:
        await bus.store(subjects.alert(SIM, BTC), alert("after"))
        first = await story.until("any alert", AlertRaised)
        assert first.code == "after"
