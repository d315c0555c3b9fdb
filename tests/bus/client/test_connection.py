"""The connection: storing, expectations, time-outs, reconnects, closing."""

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
    Rejected,
    StreamGone,
    connect,
    last_per_subject,
    provision,
    read,
)
from bus.client import connection
from bus.client.connection import MAX_UNACKNOWLEDGED
from schemas.units import Symbol
from schemas.venue.market import FeedChanged, FeedState
from tests.builders import SIM
from tests.bus.events import event, eventually, numbers, store_many
from tests.conftest import NewServer

SUBJECT = "order.sim.BTC-USDT.report"
STEP = "journal.sim.BTC-USDT.step"
GRID = "journal.sim.BTC-USDT.grid"
MEBIBYTE = 1024 * 1024


def large_event() -> FeedChanged:
    return FeedChanged(
        venue=SIM, symbol=Symbol("BTC/USDT"), state=FeedState.DOWN, reason="x" * 200_000, time=0
    )


async def fill_store(bus: Bus, subject: str) -> None:
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


async def test_a_repeated_message_id_is_stored_once(bus: Bus) -> None:
    first = await bus.store(SUBJECT, event(1), message_id="a")

    assert await bus.store(SUBJECT, event(1), message_id="a") == first
    assert await bus.last_sequence("ORDERS") == first


async def test_a_subject_without_stream_raises_stream_gone(bus: Bus) -> None:
    with pytest.raises(StreamGone, match=r"nothing\.here"):
        await bus.store("nothing.here", event(1))


async def test_a_wrong_expected_sequence_is_a_conflict(bus: Bus) -> None:
    sequence = await bus.store(SUBJECT, event(1), expect_last=0)

    with pytest.raises(Conflict):
        await bus.store(SUBJECT, event(2), expect_last=0)
    assert await bus.store(SUBJECT, event(2), expect_last=sequence) == sequence + 1


async def test_an_event_may_expect_the_last_sequence_of_another_subject(bus: Bus) -> None:
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


async def test_a_rejected_event_does_not_affect_the_others_in_flight(bus: Bus) -> None:
    futures = [
        await bus.send(SUBJECT, event(1)),
        await bus.send(SUBJECT, event(2), expect_last=0),
        await bus.send(SUBJECT, event(3)),
    ]

    first, refused, third = await asyncio.gather(*futures, return_exceptions=True)

    assert (first, third) == (1, 2)
    assert isinstance(refused, Conflict)


async def test_events_are_stored_in_the_order_sent(bus: Bus) -> None:
    assert await store_many(bus, "market.sim.clock", 3000) == list(range(1, 3001))


async def test_a_too_large_event_is_rejected(bus: Bus) -> None:
    huge = FeedChanged(venue=SIM, symbol=Symbol("X"), state=FeedState.UP, reason="x" * 2 * MEBIBYTE, time=0)

    with pytest.raises(Rejected, match="too large"):
        await bus.store(SUBJECT, huge)


async def test_the_number_of_unacknowledged_events_is_limited(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        _freeze(server)
        futures = [await bus.send(SUBJECT, event(n), timeout_s=30) for n in range(MAX_UNACKNOWLEDGED)]

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bus.send(SUBJECT, event(MAX_UNACKNOWLEDGED)), 0.05)

        _thaw(server)
        await bus.flush_window()
        assert [future.result() for future in futures] == list(range(1, MAX_UNACKNOWLEDGED + 1))
        assert await bus.store(SUBJECT, event(0)) == MAX_UNACKNOWLEDGED + 1


async def test_a_timeout_is_ambiguous(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        _freeze(server)
        with pytest.raises(Ambiguous):
            await bus.store(SUBJECT, event(1), timeout_s=0.05)
        _thaw(server)
        # In this case it was stored.
        assert await bus.store(SUBJECT, event(2)) == 2


async def test_events_in_flight_are_ambiguous_as_soon_as_the_connection_is_lost(
    new_server: NewServer,
) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        _freeze(server)
        futures = [await bus.send(SUBJECT, event(n), timeout_s=60) for n in range(5)]
        server.kill()

        async with asyncio.timeout(3):
            outcomes = await asyncio.gather(*futures, return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [Ambiguous] * 5


async def test_nothing_is_sent_without_a_connection(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        await _killed(server, bus)
        with pytest.raises(Ambiguous, match="no connection"):
            await bus.store(SUBJECT, event(1), timeout_s=0.05)

        await server.start()
        await bus.wait_connected()

        assert await bus.last("ORDERS", SUBJECT) is None


async def test_storing_continues_after_a_server_restart(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        calls: list[str] = []
        bus.on_reconnect(lambda: calls.append("kept"))
        remove = bus.on_reconnect(lambda: calls.append("removed"))
        remove()
        await bus.store(SUBJECT, event(1))
        await _killed(server, bus)
        storing = asyncio.create_task(bus.store(SUBJECT, event(2), expect_last=1))
        await server.start()

        assert await storing == 2
        assert (bus.reconnects, calls) == (1, ["kept"])


async def test_connect_waits_for_the_server(new_server: NewServer) -> None:
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


async def test_connect_can_be_cancelled(new_server: NewServer) -> None:
    server = await new_server()
    await server.stop()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), connect(server.url, name="test"):
            raise AssertionError("connected to nothing")

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_closed_connection_leaves_no_tasks(server: EmbeddedServer) -> None:
    async with connect(server.url, name="test") as bus:
        await bus.subscribe("a", print)

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_full_store_rejects_events_until_there_is_space(new_server: NewServer) -> None:
    server = await new_server(max_store_bytes=3 * MEBIBYTE)
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        first = await bus.store(STEP, event(1))
        with pytest.raises(NoSpace):
            await fill_store(bus, SUBJECT)
        with pytest.raises(NoSpace):
            await bus.store(STEP, event(2), expect_last=first)
        # Memory streams have a limit of their own.
        await bus.store("market.sim.clock", event(1))

        await bus.api("STREAM.PURGE.ORDERS", {}, dict)

        assert await bus.store(STEP, event(2), expect_last=first) == first + 1


async def test_last_is_none_for_a_missing_subject_and_raises_for_a_missing_stream(bus: Bus) -> None:
    assert await bus.last("ORDERS", SUBJECT) is None
    with pytest.raises(StreamGone):
        await bus.last("NOTHING", SUBJECT)


async def test_last_per_subject_returns_the_last_of_each_subject_in_stream_order(bus: Bus) -> None:
    for number in range(1100):
        await bus.send(f"market.sim.S{number}.ticker", event(number))
    await bus.store("market.sim.S5.ticker", event(2000))

    found = await last_per_subject(bus, "MARKET", ["market.*.*.ticker"])

    assert numbers(found) == [*(n for n in range(1100) if n != 5), 2000]


async def test_stream_state(bus: Bus) -> None:
    empty = await bus.stream_state("ORDERS")
    await store_many(bus, SUBJECT, 3)
    state = await bus.stream_state("ORDERS")

    assert (empty.first, empty.last, empty.messages) == (1, 0, 0)
    assert (state.first, state.last, state.messages) == (1, 3, 3)
    assert state.created == empty.created == await bus.stream_created("ORDERS")


async def test_a_permanently_closed_connection_fails_all_waiting_calls(new_server: NewServer) -> None:
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


async def test_credentials_in_the_url_are_not_logged(
    server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connect(server.url.replace("//", "//user:secret@"), name="test"):
        pass

    assert "secret" not in capsys.readouterr().err


async def test_a_patient_connection_survives_a_busy_server(
    new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PING_INTERVAL_S", 0.02)
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        with bus.patient():
            _freeze(server)

            async def has_waited() -> bool:
                return bus.nc._pings_outstanding > 5

            await eventually(has_waited)
            _thaw(server)
            await bus.nc.flush()

        assert bus.reconnects == 0


def _freeze(server: EmbeddedServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    # The kernel stops threads one by one: on a busy machine some of them may still reply.
    while any(_state(thread) not in "Tt" for thread in Path(f"/proc/{server.pid}/task").iterdir()):
        os.sched_yield()


def _state(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


def _thaw(server: EmbeddedServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGCONT)


async def _killed(server: EmbeddedServer, bus: Bus) -> None:
    """Kill the server and return when the connection is reported as lost."""

    async def is_lost() -> bool:
        return not bus.is_connected

    server.kill()
    await server.wait()
    await eventually(is_lost)
