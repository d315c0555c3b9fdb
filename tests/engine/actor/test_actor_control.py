"""Actor under control: sweeps on demand, shutdown and restart of an engine."""

import asyncio

import msgspec

from bus import Bus
from schemas import subjects
from schemas.engine.control import CommandName
from schemas.engine.journal import EngineStarted, EngineStopping, Step
from schemas.venue.orders import CancelOrder, OrderReport, OrderStatus, PlaceOrder
from tests.builders import BTC, COMMAND, SIM, TICKER
from tests.engine.conftest import RunActor, always_last, until_step


def has_orders(step: Step) -> bool:
    return any(isinstance(each, PlaceOrder) for each in step.decisions)


def is_stopping(step: Step) -> bool:
    return any(isinstance(each, EngineStopping) for each in step.causes)


def _has_open_orders(step: Step) -> bool:
    return any(slot.order for slot in step.state.slots.values())


async def cancel_all(bus: Bus, step: Step) -> None:
    for decision in step.decisions:
        assert isinstance(decision, CancelOrder)
        report = OrderReport(
            venue=SIM,
            symbol=BTC,
            client_order_id=decision.client_order_id,
            status=OrderStatus.CANCELED,
            cumulative_quantity=TICKER.last * 0,
            time=TICKER.time,
        )
        await bus.store(subjects.order_report(SIM, BTC), report)


async def test_a_sweep_is_requested_at_the_start_and_on_demand(bus: Bus, run_actor: RunActor) -> None:
    requests: asyncio.Queue[object] = asyncio.Queue()
    unsubscribe = await bus.subscribe(subjects.sweep(SIM), requests.put_nowait)
    async with run_actor(), asyncio.timeout(10):
        await requests.get()
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        await until_step(bus, has_orders)
        command = msgspec.structs.replace(COMMAND, name=CommandName.RECONCILE, expires_time=2**62)
        await bus.store(subjects.command(SIM, BTC, command.name), command)
        await requests.get()
    await unsubscribe()


async def test_the_last_engine_cancels_open_orders_and_waits_for_it(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor(is_last=always_last) as task, asyncio.timeout(10):
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        await until_step(bus, has_orders)
        task.cancel()
        ending = await until_step(bus, is_stopping)
        assert len(ending.decisions) == 20
        await cancel_all(bus, ending)
        await asyncio.wait([task])
    assert task.cancelled()
    canceled = await until_step(bus, lambda step: step.state.exiting and not _has_open_orders(step))
    assert canceled.step > ending.step


async def test_the_next_engine_places_orders_again_at_the_first_price(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor(is_last=always_last) as task, asyncio.timeout(10):
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        await until_step(bus, has_orders)
        task.cancel()
        await cancel_all(bus, await until_step(bus, is_stopping))
        await asyncio.wait([task])
    async with run_actor(), asyncio.timeout(10):
        await bus.store(subjects.ticker(SIM, BTC), msgspec.structs.replace(TICKER, time=TICKER.time + 1))
        again = await until_step(bus, lambda step: step.epoch == 2 and has_orders(step))
    assert any(isinstance(each, EngineStarted) for each in again.causes)
    assert not again.state.exiting


async def test_orders_stay_open_when_another_engine_takes_over(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor():
        await bus.store(subjects.ticker(SIM, BTC), TICKER)
        await until_step(bus, has_orders)
    async with run_actor():
        claim = await until_step(bus, lambda step: step.epoch == 2)
    assert claim.state.exiting is False
