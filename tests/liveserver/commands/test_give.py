"""Commands over HTTP and sockets: stored, accepted, complete; to one symbol and to all."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from bus import Bus, Message, Registry
from bus.commands import find_command
from liveserver.hub.replica import Replica
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandOutcome, CommandResult
from schemas.grid.settings import DEFAULT_MAX_POSITION
from schemas.subjects import ALL
from schemas.units import Symbol, VenueId
from tests.builders import BTC, ENTRY, RESULT, SIM
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.watching import publish, serving, watching

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIM2 = VenueId("sim2")
ACCEPTED, APPLIED, REFUSED = CommandOutcome.ACCEPTED, CommandOutcome.APPLIED, CommandOutcome.REFUSED


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def replica(module_bus: Bus) -> AsyncIterator[Replica]:
    """Run a live server with BTC on two venues, and ETH on one."""
    symbols = [(SIM, BTC), (SIM, ETH), (SIM2, BTC)]
    for venue, symbol in symbols:
        entry = replace(ENTRY, venue=venue, symbol=symbol)
        await Registry(module_bus, "symbols").create(subjects.registry_key(venue, symbol), entry)
    await publish(
        module_bus, *(replace(events.ticker(), venue=venue, symbol=symbol) for venue, symbol in symbols)
    )
    async with serving(module_bus.url) as replica:
        async with watching(replica) as watcher:
            await watcher.until("symbols", lambda data: len(data) == len(symbols))
        yield replica


@pytest_asyncio.fixture(loop_scope="module")
async def client(replica: Replica) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=replica.address) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def commands(module_bus: Bus, replica: Replica) -> AsyncIterator["asyncio.Queue[Command]"]:
    """Queue the commands that are stored: the test answers them."""
    queue: asyncio.Queue[Command] = asyncio.Queue()

    def receive(message: Message) -> None:
        if not message.subject.endswith(".result"):
            queue.put_nowait(decode_as(message.data, Command))

    unsubscribe = await module_bus.subscribe("control.>", receive)
    yield queue
    await unsubscribe()


async def answer(bus: Bus, command: Command, outcome: CommandOutcome, **fields: Any) -> None:
    result: CommandResult = replace(
        RESULT,
        venue=command.venue,
        symbol=command.symbol,
        command_id=command.command_id,
        name=command.name,
        outcome=outcome,
        **fields,
    )
    await bus.store(subjects.command_result(command.venue, command.symbol), result)


def give(client: httpx.AsyncClient, **data: Any) -> "asyncio.Task[httpx.Response]":
    body = {"command": "pause", "symbol": "ETHUSDT", **data}
    return asyncio.create_task(client.post("/api/control", json=body, timeout=30))


async def test_a_socket_receives_the_accepted_and_the_final_answer(
    module_bus: Bus, replica: Replica, commands: "asyncio.Queue[Command]"
) -> None:
    async with watching(replica, "?symbol=ETHUSDT", subprotocols=["opensqt.v2"]) as watcher:
        data = {"command": "stop", "symbol": "ETHUSDT"}
        await watcher.socket.send(json.dumps({"type": "control", "data": data}))
        command = await commands.get()
        await answer(module_bus, command, ACCEPTED, orders_canceled=0, orders_out=2)
        first = await watcher.until("command")
        await answer(module_bus, command, APPLIED, orders_canceled=2, orders_out=0)
        last = await watcher.until("command")

    assert (first["state"], first["final"], first["orders_out"]) == ("accepted", False, 2)
    assert (last["state"], last["final"], last["orders_canceled"]) == ("answered", True, 2)
    assert (last["venue"], last["market"]) == ("sim", ETH)


async def test_http_waits_for_the_final_answer(
    module_bus: Bus, client: httpx.AsyncClient, commands: "asyncio.Queue[Command]"
) -> None:
    given = give(client, wait_s=20)
    command = await commands.get()
    await answer(module_bus, command, ACCEPTED)
    await answer(module_bus, command, CommandOutcome.INCOMPLETE, orders_out=1)

    found = (await given).json()
    assert (found["outcome"], found["final"], found["orders_out"]) == ("incomplete", True, 1)


async def test_an_answer_that_is_not_final_can_be_looked_up_later(
    module_bus: Bus, client: httpx.AsyncClient, commands: "asyncio.Queue[Command]"
) -> None:
    given = give(client, wait_s=1)
    command = await commands.get()
    await answer(module_bus, command, ACCEPTED)
    accepted = await given
    await answer(module_bus, command, APPLIED)
    applied = await client.get(f"/api/control/{command.command_id}")

    assert (accepted.status_code, accepted.json()["outcome"]) == (202, "accepted")
    assert (applied.status_code, applied.json()["outcome"]) == (200, "applied")


async def test_a_command_is_given_only_when_the_bus_has_stored_it(
    module_bus: Bus, client: httpx.AsyncClient
) -> None:
    found = (await give(client, wait_s=0)).json()
    stored = await find_command(module_bus, found["command_id"])

    assert (found["state"], found["outcome"]) == ("given", None)
    assert stored.command is not None


async def test_a_command_that_no_engine_answers_expires_on_its_socket(replica: Replica) -> None:
    async with watching(replica, "?symbol=ETHUSDT", subprotocols=["opensqt.v2"]) as watcher:
        data = {"command": "trip", "symbol": "ETHUSDT", "wait_s": 0, "expires_s": 0.2}
        await watcher.socket.send(json.dumps({"type": "control", "data": data}))
        given = await watcher.until("command")
        expired = await watcher.until("command")

    assert [each["state"] for each in (given, expired)] == ["given"] * 2
    assert "it has expired" in expired["detail"]


async def test_a_command_to_all_symbols_lists_each_answer(
    module_bus: Bus, client: httpx.AsyncClient, commands: "asyncio.Queue[Command]"
) -> None:
    given = give(client, command="resume", symbol=ALL, venue="sim", wait_s=20)
    command = await commands.get()
    await answer(module_bus, command, APPLIED)
    for symbol, outcome in ((BTC, REFUSED), (ETH, APPLIED)):
        forwarded = replace(command, symbol=Symbol(symbol), command_id=f"{command.command_id}.{symbol}")
        await answer(module_bus, forwarded, outcome)

    found = (await given).json()
    assert (found["outcome"], found["final"], found["market"]) == ("refused", True, ALL)
    assert [(each["market"], each["outcome"]) for each in found["answers"]] == [
        (BTC, "refused"),
        (ETH, "applied"),
    ]
    assert (await client.get(f"/api/control/{command.command_id}")).json()["answers"] == found["answers"]


async def test_a_symbol_of_two_venues_needs_the_name_of_one(client: httpx.AsyncClient) -> None:
    found = (await give(client, symbol=BTC)).json()

    assert (found["error"], found["what"]) == (
        "ambiguous_symbol",
        f"{BTC} is traded on several venues: sim, sim2",
    )


async def test_an_unknown_venue_is_no_venue_without_symbols(client: httpx.AsyncClient) -> None:
    found = await give(client, symbol=ALL, venue="simm")

    assert (found.status_code, found.json()["hint"]) == (404, "known venues: sim, sim2")


async def test_a_confirmation_reaches_the_engine(
    client: httpx.AsyncClient, commands: "asyncio.Queue[Command]"
) -> None:
    arguments = {"changes": {"stop_loss": "1 USDT"}, "confirmed": True}
    await give(client, command="set", arguments=arguments, wait_s=0)

    assert (await commands.get()).confirmed


@pytest.mark.parametrize(("given", "expected"), [({}, True), ({"preflight": False}, False)])
async def test_a_symbol_is_added_with_a_preflight_unless_refused(
    client: httpx.AsyncClient, commands: "asyncio.Queue[Command]", given: dict[str, bool], expected: bool
) -> None:
    settings = {"mode": "long", "order_amount": "30", "price_interval": "0.2", **given}
    await give(
        client, command="add", symbol="SOL/USDT", venue="sim", arguments={"settings": settings}, wait_s=0
    )

    added = (await commands.get()).settings
    assert added is not None
    assert added.preflight is expected
    assert (added.adopt_position, added.max_position) == (False, DEFAULT_MAX_POSITION)
