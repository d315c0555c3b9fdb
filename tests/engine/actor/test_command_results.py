"""Results of commands on the bus: accepted and applied are both stored, once each, also across a crash."""

import asyncio
from contextlib import aclosing

import msgspec

from bus import Bus, FromStart, read
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.engine.journal import Step
from schemas.subjects import Stream
from schemas.venue.orders import CancelOrder, PlaceOrder
from tests.builders import BTC, COMMAND, SIM, TICKER
from tests.engine.actor.test_actor_control import cancel_all
from tests.engine.conftest import RunActor, until_step

STOP = msgspec.structs.replace(COMMAND, name=CommandName.STOP, expires_time=2**62)


def has_orders(step: Step) -> bool:
    return any(isinstance(each, PlaceOrder) for each in step.decisions)


def has_cancels(step: Step) -> bool:
    return any(isinstance(each, CancelOrder) for each in step.decisions)


async def results(bus: Bus, number: int) -> list[CommandResult]:
    """Return the first results on the bus, waiting for as many."""
    found: list[CommandResult] = []
    async with aclosing(
        read(bus, Stream.CONTROL, (subjects.command_result(SIM, BTC),), FromStart())
    ) as batches:
        async for batch in batches:
            found += [decode_as(each.data, CommandResult) for each in batch.messages]
            if len(found) >= number:
                break
    return found


async def give(bus: Bus) -> Step:
    """Stop a symbol that has orders, and return the step that cancels them."""
    await bus.store(subjects.ticker(SIM, BTC), TICKER)
    await until_step(bus, has_orders)
    await bus.store(subjects.command(SIM, BTC, STOP.name), STOP)
    return await until_step(bus, has_cancels)


async def test_accepted_and_applied_are_both_stored(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor(), asyncio.timeout(20):
        await cancel_all(bus, await give(bus))
        found = await results(bus, 2)
    assert [each.outcome for each in found] == [CommandOutcome.ACCEPTED, CommandOutcome.APPLIED]
    assert (found[1].orders_canceled, found[1].orders_out) == (20, 0)


async def test_command_is_completed_once_after_a_crash(bus: Bus, run_actor: RunActor) -> None:
    async with run_actor(), asyncio.timeout(20):
        stopping = await give(bus)
        await results(bus, 1)
    async with run_actor(), asyncio.timeout(20):
        await cancel_all(bus, stopping)
        await results(bus, 2)
    async with run_actor(), asyncio.timeout(20):
        resume = msgspec.structs.replace(STOP, name=CommandName.RESUME, command_id="c2")
        await bus.store(subjects.command(SIM, BTC, resume.name), resume)
        found = await results(bus, 3)
    assert [(each.name, each.outcome) for each in found] == [
        (CommandName.STOP, CommandOutcome.ACCEPTED),
        (CommandName.STOP, CommandOutcome.APPLIED),
        (CommandName.RESUME, CommandOutcome.APPLIED),
    ]
