"""Submitting commands, and finding them with their results."""

import asyncio

import msgspec
import pytest

from bus import Bus, Registry
from bus.commands import (
    AddressedSymbol,
    CommandIdInUse,
    CommandRecord,
    find_command,
    forwarded_id,
    results,
    results_of_all,
    submit,
)
from engine.core.portfolio.commands import forwarded
from schemas import subjects
from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.engine.portfolio_journal import Market
from schemas.subjects import ALL, ALL_VENUES
from schemas.units import SECOND_NS, Symbol, VenueId
from tests.builders import BTC, COMMAND, ENTRY, RESULT, SIM

ACCEPTED = msgspec.structs.replace(
    RESULT, outcome=CommandOutcome.ACCEPTED, detail="12 orders are being canceled"
)
ETH = Symbol("ETH/USDT:USDT")
TO_ALL = msgspec.structs.replace(COMMAND, symbol=Symbol(ALL))


async def wait_until_stored(bus: Bus) -> None:
    while (await find_command(bus, COMMAND.command_id)).command is None:
        pass


async def store_result(bus: Bus, result: CommandResult = RESULT) -> None:
    await wait_until_stored(bus)
    await bus.store(subjects.command_result(result.venue, result.symbol), result)


async def collect(bus: Bus, command: Command) -> list[CommandResult]:
    return [result async for result in results_of_all(bus, command)]


def result_of(command: Command, symbol: Symbol, outcome: CommandOutcome) -> CommandResult:
    command_id = command.command_id if symbol == ALL else forwarded_id(command, AddressedSymbol(SIM, symbol))
    return msgspec.structs.replace(RESULT, symbol=symbol, command_id=command_id, outcome=outcome)


async def test_submit_returns_the_result(bus: Bus) -> None:
    submitting = asyncio.create_task(submit(bus, COMMAND))
    await store_result(bus)

    assert await submitting == RESULT
    assert await find_command(bus, COMMAND.command_id) == CommandRecord(COMMAND, RESULT)


async def test_the_results_are_the_accepted_one_and_the_final_one(bus: Bus) -> None:
    found = results(bus, COMMAND)
    first = asyncio.create_task(anext(found))
    await store_result(bus, ACCEPTED)

    assert await first == ACCEPTED
    assert await find_command(bus, COMMAND.command_id) == CommandRecord(COMMAND, ACCEPTED)
    await store_result(bus)
    assert [result async for result in found] == [RESULT]
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


async def test_a_command_to_all_symbols_ends_when_each_symbol_has_a_final_result(bus: Bus) -> None:
    for symbol in (BTC, ETH):
        await Registry(bus, "symbols").create(
            subjects.registry_key(SIM, symbol), msgspec.structs.replace(ENTRY, symbol=symbol)
        )
    expected = [
        result_of(TO_ALL, Symbol(ALL), CommandOutcome.APPLIED),
        result_of(TO_ALL, BTC, CommandOutcome.ACCEPTED),
        result_of(TO_ALL, ETH, CommandOutcome.REFUSED),
        result_of(TO_ALL, BTC, CommandOutcome.APPLIED),
    ]
    collecting = asyncio.create_task(collect(bus, TO_ALL))
    for result in expected:
        await store_result(bus, result)

    assert await collecting == expected
    by_symbol = (await find_command(bus, TO_ALL.command_id)).by_symbol
    assert by_symbol == {AddressedSymbol(SIM, BTC): expected[3], AddressedSymbol(SIM, ETH): expected[2]}


async def test_a_symbol_that_was_removed_since_is_waited_for_as_it_was_forwarded_to(bus: Bus) -> None:
    answer = result_of(TO_ALL, Symbol(ALL), CommandOutcome.APPLIED)
    to_eth = forwarded(TO_ALL, Market(venue=SIM, symbol=ETH))
    of_eth = result_of(TO_ALL, ETH, CommandOutcome.APPLIED)
    await bus.store(subjects.command(SIM, Symbol(ALL), TO_ALL.name), TO_ALL, message_id=TO_ALL.command_id)
    await bus.store(subjects.command_result(SIM, Symbol(ALL)), answer)
    await bus.store(subjects.command(SIM, ETH, TO_ALL.name), to_eth)
    await bus.store(subjects.command_result(SIM, ETH), of_eth)

    assert await collect(bus, TO_ALL) == [answer, of_eth]


@pytest.mark.parametrize(
    ("venue", "name", "outcome"),
    [
        (SIM, CommandName.PAUSE, CommandOutcome.UNCHANGED),
        (ALL_VENUES, CommandName.TRIP, CommandOutcome.APPLIED),
    ],
)
async def test_the_portfolios_answer_is_the_last_when_nothing_is_forwarded(
    bus: Bus, venue: VenueId, name: CommandName, outcome: CommandOutcome
) -> None:
    await Registry(bus, "symbols").create(subjects.registry_key(SIM, BTC), ENTRY)
    command = msgspec.structs.replace(TO_ALL, venue=venue, name=name)
    collecting = asyncio.create_task(collect(bus, command))
    answer = msgspec.structs.replace(RESULT, venue=venue, symbol=Symbol(ALL), outcome=outcome)
    await store_result(bus, answer)

    assert await collecting == [answer]


@pytest.mark.parametrize("venue", [SIM, ALL_VENUES])
def test_forwarded_ids_are_those_of_the_portfolio(venue: VenueId) -> None:
    command = msgspec.structs.replace(TO_ALL, venue=venue)
    assert (
        forwarded_id(command, AddressedSymbol(SIM, ETH))
        == forwarded(command, Market(venue=SIM, symbol=ETH)).command_id
    )


async def test_a_command_that_the_portfolio_completes_ends_with_its_final_result(bus: Bus) -> None:
    await Registry(bus, "symbols").create("sim.BTC-USDT_USDT", ENTRY)
    trip = msgspec.structs.replace(TO_ALL, venue=ALL_VENUES, name=CommandName.TRIP)
    collecting = asyncio.create_task(collect(bus, trip))
    outcomes = [CommandOutcome.ACCEPTED, CommandOutcome.APPLIED]
    for outcome in outcomes:
        await store_result(
            bus, msgspec.structs.replace(result_of(trip, Symbol(ALL), outcome), venue=ALL_VENUES)
        )
    async with asyncio.timeout(10):
        assert [each.outcome for each in await collecting] == outcomes
