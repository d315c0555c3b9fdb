"""Submitting commands, and finding them with their results."""

import asyncio

import msgspec
import pytest

from bus import Bus
from bus.commands import CommandIdInUse, CommandRecord, find_command, submit
from schemas import subjects
from schemas.units import SECOND_NS
from tests.builders import BTC, COMMAND, RESULT, SIM


async def store_result(bus: Bus) -> None:
    while (await find_command(bus, COMMAND.command_id)).command is None:
        pass
    await bus.store(subjects.command_result(SIM, BTC), RESULT)


async def test_submit_returns_the_result(bus: Bus) -> None:
    submitting = asyncio.create_task(submit(bus, COMMAND))
    await store_result(bus)

    assert await submitting == RESULT
    assert await find_command(bus, COMMAND.command_id) == CommandRecord(COMMAND, RESULT)


async def test_a_repeated_command_gets_the_first_result(bus: Bus) -> None:
    submitting = asyncio.create_task(submit(bus, COMMAND))
    await store_result(bus)
    await submitting
    later = msgspec.structs.replace(COMMAND, time=COMMAND.time + SECOND_NS)

    assert await submit(bus, later) == RESULT


async def test_another_command_with_the_same_id_is_rejected(bus: Bus) -> None:
    submitting = asyncio.create_task(submit(bus, COMMAND))
    await store_result(bus)
    await submitting

    with pytest.raises(CommandIdInUse, match="choose a new id"):
        await submit(bus, msgspec.structs.replace(COMMAND, reason="another reason"))


async def test_an_unknown_command_has_an_empty_record(bus: Bus) -> None:
    assert await find_command(bus, "unknown") == CommandRecord(None, None)
