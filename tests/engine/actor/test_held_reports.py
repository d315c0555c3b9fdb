"""Order reports that only change the state wait for the next step."""

import asyncio

import msgspec
import pytest

from bus import Bus
from engine.actor import actor
from engine.core.grid import Grid
from engine.core.replay import replay
from schemas import subjects
from schemas.codec import encode
from schemas.engine.journal import MessageRef, Step
from schemas.subjects import Stream
from schemas.venue.orders import OrderReport, OrderStatus, PlaceOrder
from tests.builders import BTC, REPORT, SIM, TICKER
from tests.engine.conftest import RunActor, until_step

MOVED = msgspec.structs.replace(TICKER, last=TICKER.last * 2, ask=TICKER.ask * 2, time=TICKER.time + 1)


def accepted(order: PlaceOrder) -> OrderReport:
    return msgspec.structs.replace(
        REPORT,
        client_order_id=order.client_order_id,
        status=OrderStatus.NEW,
        cumulative_quantity=order.quantity * 0,
        time=TICKER.time,
    )


async def store_reports(bus: Bus, step: Step, count: int) -> list[int]:
    orders = [each for each in step.decisions if isinstance(each, PlaceOrder)]
    return [await bus.store(subjects.order_report(SIM, BTC), accepted(each)) for each in orders[:count]]


def has_orders(step: Step) -> bool:
    return bool(step.decisions)


async def test_reports_travel_with_the_next_step(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        first = await until_step(bus, has_orders)
        sequences = await store_reports(bus, first, 3)
        await asyncio.sleep(0.3)  # nothing is to happen: there is no event to wait for
        last = await bus.last(Stream.JOURNAL, subjects.step(SIM, BTC))
        await bus.store(subjects.ticker(SIM, BTC), MOVED)
        second = await until_step(bus, lambda step: step.step > first.step)
    assert last is not None
    assert second.step == first.step + 1
    assert second.inputs == tuple(MessageRef(stream=Stream.ORDERS, sequence=each) for each in sequences)
    assert second.boundaries == (1, 2, 3)
    assert second.offsets[Stream.ORDERS].sequence == sequences[-1]


async def test_held_reports_are_read_again_after_a_crash(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        first = await until_step(bus, has_orders)
        await store_reports(bus, first, 3)
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), MOVED)
        second = await until_step(bus, lambda step: step.epoch == 2 and has_orders(step))
    assert sum(isinstance(each, OrderReport) for each in second.causes) == 3


@pytest.mark.parametrize(("name", "limit"), [("MAX_HELD_REPORTS", 2), ("MAX_HELD_S", 0.05)])
async def test_reports_are_committed_alone_at_the_limits(
    bus: Bus, run_actor: RunActor, monkeypatch: pytest.MonkeyPatch, name: str, limit: float
) -> None:
    monkeypatch.setattr(actor, name, limit)
    async with run_actor(), asyncio.timeout(10):
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        first = await until_step(bus, has_orders)
        await store_reports(bus, first, 2)
        second = await until_step(bus, lambda step: step.step > first.step)
    assert {type(each) for each in second.causes} == {OrderReport}
    assert second.decisions == ()


async def test_a_step_with_held_reports_is_reproducible(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        first = await until_step(bus, has_orders)
        grid = Grid(msgspec.json.decode(encode(first.state), type=type(first.state)), first.step)
        await store_reports(bus, first, 3)
        await bus.store(subjects.ticker(SIM, BTC), MOVED)
        second = await until_step(bus, lambda step: step.step > first.step)
    change = replay(grid, second)
    assert change is not None
    assert (change.decisions, change.boundaries) == (second.decisions, second.boundaries)
    assert encode(second.state) == msgspec.json.Encoder(decimal_format="string").encode(grid.state)
