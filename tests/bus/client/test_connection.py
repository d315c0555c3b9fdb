import asyncio
import os
import signal
from pathlib import Path

import pytest

from bus import (
    Ambiguous,
    Bus,
    Conflict,
    ConnectionClosed,
    EmbeddedServer,
    FromStart,
    NoSpace,
    Refused,
    StreamGone,
    connect,
    provision,
    read,
)
from bus.client.connection import WINDOW
from schemas.units import Symbol
from schemas.venue.market import FeedChanged, FeedState
from tests.bus.events import SIM, event, eventually, numbers, store_many
from tests.conftest import NewServer

SUBJECT = "order.sim.BTC-USDT.report"
STEP = "journal.sim.BTC-USDT.step"
GRID = "journal.sim.BTC-USDT.grid"
MEBIBYTE = 1024 * 1024


def large_event() -> FeedChanged:
    return FeedChanged(
        venue=SIM, symbol=Symbol("BTC/USDT"), state=FeedState.DOWN, reason="x" * 200_000, time=0
    )


async def fill(bus: Bus, subject: str) -> None:
    while True:
        await bus.store(subject, large_event())


async def test_a_stored_event_is_read_with_its_sequence_time_and_headers(bus: Bus) -> None:
    sequence = await bus.store(SUBJECT, event(7), message_id="a", headers={"traceparent": "00-1"})

    last = await bus.last("ORDERS", SUBJECT)

    assert last is not None
    assert (last.sequence, last.subject, last.stream, numbers([last])) == (sequence, SUBJECT, "ORDERS", [7])
    assert last.time_ns > 1_700_000_000_000_000_000
    assert last.headers == {
        "content-type": "application/json",
        "schema": "ClockRead",
        "Nats-Msg-Id": "a",
        "traceparent": "00-1",
    }


async def test_the_same_message_id_is_stored_once(bus: Bus) -> None:
    first = await bus.store(SUBJECT, event(1), message_id="a")

    assert await bus.store(SUBJECT, event(1), message_id="a") == first
    assert await bus.last_sequence("ORDERS") == first


async def test_a_subject_that_no_stream_takes_is_told(bus: Bus) -> None:
    with pytest.raises(StreamGone, match=r"nothing\.here"):
        await bus.store("nothing.here", event(1))


async def test_a_wrong_expectation_is_a_conflict(bus: Bus) -> None:
    sequence = await bus.store(SUBJECT, event(1), expect_last=0)

    with pytest.raises(Conflict):
        await bus.store(SUBJECT, event(2), expect_last=0)
    assert await bus.store(SUBJECT, event(2), expect_last=sequence) == sequence + 1


async def test_an_event_may_expect_where_another_subject_is(bus: Bus) -> None:
    step = await bus.store(STEP, event(1))
    await bus.store(GRID, event(1), expect_last=step, expect_subject=STEP)
    newer = await bus.store(STEP, event(2))

    with pytest.raises(Conflict):
        await bus.store(GRID, event(1), expect_last=step, expect_subject=STEP)
    await bus.store(GRID, event(2), expect_last=newer, expect_subject=STEP)

    assert numbers([m async for b in _all(bus, GRID) for m in b]) == [1, 2]


async def _all(bus: Bus, subject: str):  # type: ignore[no-untyped-def]
    async for batch in read(bus, "JOURNAL", [subject], FromStart()):
        yield batch.messages
        if batch.caught_up:
            return


async def test_a_refusal_is_of_its_own_event_alone(bus: Bus) -> None:
    futures = [
        await bus.send(SUBJECT, event(1)),
        await bus.send(SUBJECT, event(2), expect_last=0),
        await bus.send(SUBJECT, event(3)),
    ]

    first, refused, third = await asyncio.gather(*futures, return_exceptions=True)

    assert (first, third) == (1, 2)
    assert isinstance(refused, Conflict)


async def test_what_is_sent_is_stored_in_order(bus: Bus) -> None:
    assert await store_many(bus, "market.sim.clock", 3000) == list(range(1, 3001))


async def test_an_event_that_is_too_large_is_refused(bus: Bus) -> None:
    huge = FeedChanged(venue=SIM, symbol=Symbol("X"), state=FeedState.UP, reason="x" * 2 * MEBIBYTE, time=0)

    with pytest.raises(Refused, match="too large"):
        await bus.store(SUBJECT, huge)


async def test_no_more_are_on_the_way_than_the_window_takes(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        _freeze(server)
        futures = [await bus.send(SUBJECT, event(n), timeout_s=30) for n in range(WINDOW)]

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bus.send(SUBJECT, event(WINDOW)), 0.05)

        _thaw(server)
        await bus.flush_window()
        assert [future.result() for future in futures] == list(range(1, WINDOW + 1))
        assert await bus.store(SUBJECT, event(0)) == WINDOW + 1


async def test_without_an_answer_in_time_the_outcome_is_ambiguous(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        _freeze(server)
        with pytest.raises(Ambiguous):
            await bus.store(SUBJECT, event(1), timeout_s=0.05)
        _thaw(server)
        # And indeed it was stored.
        assert await bus.store(SUBJECT, event(2)) == 2


async def test_a_lost_connection_makes_what_is_on_the_way_ambiguous_at_once(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        _freeze(server)
        futures = [await bus.send(SUBJECT, event(n), timeout_s=60) for n in range(5)]
        server.kill()

        async with asyncio.timeout(3):
            outcomes = await asyncio.gather(*futures, return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [Ambiguous] * 5


async def test_without_a_connection_nothing_is_sent(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        await _killed(server, bus)
        with pytest.raises(Ambiguous, match="no connection"):
            await bus.store(SUBJECT, event(1), timeout_s=0.05)

        await server.start()
        await bus.wait_connected()

        assert await bus.last("ORDERS", SUBJECT) is None


async def test_storing_goes_on_after_the_server_was_killed(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        calls: list[str] = []
        bus.on_reconnect(lambda: calls.append("kept"))
        undo = bus.on_reconnect(lambda: calls.append("undone"))
        undo()
        await bus.store(SUBJECT, event(1))
        await _killed(server, bus)
        storing = asyncio.create_task(bus.store(SUBJECT, event(2), expect_last=1))
        await server.start()

        assert await storing == 2
        assert (bus.reconnects, calls) == (1, ["kept"])


async def test_the_first_connection_waits_for_the_server(new_server: NewServer) -> None:
    server = await new_server()
    await server.stop()

    async def join() -> bool:
        async with connect(server.url, name="test") as bus:
            return bus.is_connected

    joining = asyncio.create_task(join())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(joining), 0.1)
    await server.start()

    assert await joining


async def test_connecting_can_be_given_up(new_server: NewServer) -> None:
    server = await new_server()
    await server.stop()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), connect(server.url, name="test"):
            raise AssertionError("connected to nothing")

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_closed_connection_leaves_no_task_behind(server: EmbeddedServer) -> None:
    async with connect(server.url, name="test") as bus:
        await bus.subscribe("a", print)

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_full_store_refuses_and_takes_again_when_there_is_space(new_server: NewServer) -> None:
    server = await new_server(max_store_bytes=3 * MEBIBYTE)
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        first = await bus.store(STEP, event(1))
        with pytest.raises(NoSpace):
            await fill(bus, SUBJECT)
        with pytest.raises(NoSpace):
            await bus.store(STEP, event(2), expect_last=first)
        # What is in memory has a bound of its own.
        await bus.store("market.sim.clock", event(1))

        await bus.api("STREAM.PURGE.ORDERS", {}, dict)

        assert await bus.store(STEP, event(2), expect_last=first) == first + 1


async def test_the_last_of_a_missing_stream_or_subject(bus: Bus) -> None:
    assert await bus.last("ORDERS", SUBJECT) is None
    with pytest.raises(StreamGone):
        await bus.last("NOTHING", SUBJECT)


async def test_the_last_of_each_of_many_subjects(bus: Bus) -> None:
    for number in range(1100):
        await bus.send(f"market.sim.S{number}.ticker", event(number))
    await bus.store("market.sim.S5.ticker", event(2000))

    found = await bus.last_per_subject("MARKET", ["market.*.*.ticker"])

    assert numbers(found) == [*(n for n in range(1100) if n != 5), 2000]


async def test_the_state_of_a_stream(bus: Bus) -> None:
    empty = await bus.stream_state("ORDERS")
    await store_many(bus, SUBJECT, 3)
    state = await bus.stream_state("ORDERS")

    assert (empty.first, empty.last, empty.messages) == (1, 0, 0)
    assert (state.first, state.last, state.messages) == (1, 3, 3)
    assert state.created == empty.created == await bus.stream_created("ORDERS")


async def test_a_connection_closed_for_good_is_told_to_all_who_wait(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        batches = read(bus, "ORDERS", [SUBJECT], FromStart())
        await anext(batches)
        _freeze(server)
        storing = asyncio.create_task(bus.store(SUBJECT, event(1)))
        reading = asyncio.create_task(anext(batches))
        await asyncio.wait([storing, reading], timeout=0.05)
        await bus.nc._process_err("'user authentication expired'")

        outcomes: list[object] = [
            *await asyncio.gather(storing, reading, return_exceptions=True),
            *await asyncio.gather(bus.wait_connected(), bus.store(SUBJECT, event(2)), return_exceptions=True),
        ]

        assert [type(outcome) for outcome in outcomes] == [Ambiguous, *[ConnectionClosed] * 3]
        assert not bus.is_connected


async def test_secrets_of_the_address_are_not_logged(
    server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connect(server.url.replace("//", "//user:secret@"), name="test"):
        pass

    assert "secret" not in capsys.readouterr().err


def _freeze(server: EmbeddedServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    # The kernel stops threads one after the other: a busy machine lets some of them answer first.
    while any(_state(thread) not in "Tt" for thread in Path(f"/proc/{server.pid}/task").iterdir()):
        os.sched_yield()


def _state(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


def _thaw(server: EmbeddedServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGCONT)


async def _killed(server: EmbeddedServer, bus: Bus) -> None:
    """Kill the server and return when the connection knows."""

    async def is_known() -> bool:
        return not bus.is_connected

    server.kill()
    await server.wait()
    await eventually(is_known)
