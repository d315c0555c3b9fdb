"""Events of a step: subjects, deterministic ids, and failures to store them."""

import asyncio
import gc

import msgspec
import pytest

from bus import Bus, BusError, Logger
from engine.actor.publisher import Publisher, derived_events
from schemas import subjects
from schemas.engine.events import AlertRaised
from schemas.engine.journal import Step
from schemas.subjects import Stream
from tests.schemas.examples import EXAMPLES

STEP = next(event for event in EXAMPLES if isinstance(event, Step))


def test_decisions_fills_and_notices_of_a_step_are_published() -> None:
    assert [derived.subject for derived in derived_events(STEP)] == [
        "engine.sim.BTC-USDT_USDT.decision",
        "engine.sim.BTC-USDT_USDT.decision",
        "engine.sim.BTC-USDT_USDT.fill",
        "control.sim.BTC-USDT_USDT.result",
    ]


def test_message_ids_are_derived_from_the_step() -> None:
    ids = [derived.message_id for derived in derived_events(STEP)]
    assert len(set(ids)) == len(ids)
    assert ids == [derived.message_id for derived in derived_events(STEP)]
    assert all(".3." in each for each in ids)


def test_the_message_id_of_an_alert_is_its_incident() -> None:
    alert = next(each for each in EXAMPLES if isinstance(each, AlertRaised))
    notices = (msgspec.structs.replace(alert, incident="a"), alert)

    ids = [each.message_id for each in derived_events(msgspec.structs.replace(STEP, notices=notices))][-2:]

    assert ids == ["a", f"{subjects.alert(alert.venue, alert.symbol)}.3.1"]


async def test_failures_nothing_awaits_are_not_logged_by_asyncio(bus: Bus) -> None:
    messages: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: messages.append(context["message"]))
    await _publish_without_stream(bus)
    gc.collect()
    assert messages == []


async def test_published_through_raises_when_an_event_was_not_stored(bus: Bus) -> None:
    publisher = await _publish_without_stream(bus)
    with pytest.raises(BusError):
        _ = publisher.published_through


async def _publish_without_stream(bus: Bus) -> Publisher:
    await bus.api(f"STREAM.DELETE.{Stream.ENGINE}", None, dict)
    publisher = Publisher(bus, "step", "grid", Logger("test"), published_through=0)
    await publisher.publish(STEP, 1)
    await bus.flush_window()
    return publisher
