"""Direct gets: pages of stored messages, and replies that do not arrive completely."""

from collections.abc import AsyncIterator

import pytest

from bus import Ambiguous, Bus, EmbeddedServer, Rejected, connect
from bus.client import direct_get
from bus.client.direct_get import DirectGets, parse_stored
from tests.bus.events import event, numbers, on_reply, store_many

A = "order.sim.A.report"
NEXT = {"seq": 1, "next_by_subj": A, "batch": 10}
OWN = (
    b"Nats-Stream: S\r\nNats-Subject: a.b\r\nNats-Sequence: 7\r\nNats-Time-Stamp: 2026-11-28T01:13:00.06Z\r\n"
)


@pytest.fixture
async def gets(bus: Bus) -> AsyncIterator[DirectGets]:
    await store_many(bus, A, 5)
    async with DirectGets(bus, "ORDERS") as gets:
        yield gets


@pytest.mark.parametrize("more", [b"", b"Nats-Num-Pending: 3\r\n"])
def test_headers_of_the_server_are_told_from_those_of_the_message(more: bytes) -> None:
    block = (
        b"NATS/1.0\r\nschema: X\r\nNats-Stream: forged\r\n" + OWN + more + b"Nats-Last-Sequence: 5\r\n\r\n"
    )
    stored = parse_stored(block)

    assert stored is not None
    assert dict(stored.headers) == {"schema": "X", "Nats-Stream": "forged"}
    assert (stored.stream, stored.subject, stored.sequence, stored.previous) == ("S", "a.b", 7, 5)


def test_a_message_that_no_stream_has_stored_is_told_apart() -> None:
    assert parse_stored(b"NATS/1.0\r\nschema: X\r\n\r\n") is None
    assert parse_stored(b"") is None


async def test_a_page_has_the_messages_as_they_were_stored(bus: Bus, gets: DirectGets) -> None:
    await bus.store(A, event(5), message_id="id-5")
    page = await gets.get({**NEXT, "seq": 5})

    assert (numbers(page.messages), page.pending, page.is_whole) == ([4, 5], 0, True)
    assert page.messages[-1] == await bus.last("ORDERS", A)
    assert page.messages[-1].headers["Nats-Msg-Id"] == "id-5"


async def test_a_page_is_limited_in_messages_and_bytes(gets: DirectGets) -> None:
    few = await gets.get({**NEXT, "batch": 2})
    small = await gets.get({**NEXT, "max_bytes": 1})

    assert (numbers(few.messages), few.pending) == ([0, 1], 3)
    assert (numbers(small.messages), small.pending) == ([0], 4)


async def test_the_last_messages_come_with_the_end_of_the_replica(bus: Bus, gets: DirectGets) -> None:
    last = await bus.store("order.sim.B.report", event(9))
    changed = await gets.get({"multi_last": ["order.>"], "seq": last})
    unchanged = await gets.get({"multi_last": ["order.sim.A.>"], "seq": last})

    assert (numbers(changed.messages), changed.up_to) == ([9], last)
    assert (unchanged.messages, unchanged.up_to) == ([], last)


async def test_a_reply_with_a_gap_ends_before_it(bus: Bus, gets: DirectGets) -> None:
    on_reply(bus, lambda number, *message: number != 2)
    page = await gets.get(NEXT)

    assert (numbers(page.messages), page.is_whole) == ([0, 1], False)


async def test_a_reply_without_its_end_is_not_whole(
    bus: Bus, gets: DirectGets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_get, "REPLY_TIMEOUT_S", 0.05)
    on_reply(bus, lambda number, *message: number < 5)
    page = await gets.get(NEXT)

    assert (numbers(page.messages), page.is_whole) == ([0, 1, 2, 3, 4], False)


async def test_a_missing_stream_or_reply_is_ambiguous(bus: Bus, gets: DirectGets) -> None:
    async with DirectGets(bus, "NOTHING") as nothing:
        with pytest.raises(Ambiguous, match="nothing answers"):
            await nothing.get(NEXT)
    on_reply(bus, lambda number, *message: False)
    waiting = await gets.send(NEXT)
    gets.interrupt()
    with pytest.raises(Ambiguous, match="no reply"):
        await waiting


async def test_an_invalid_request_is_rejected(gets: DirectGets) -> None:
    with pytest.raises(Rejected, match="Bad Request"):
        await gets.get({"multi_last": ["order.>"], "next_by_subj": A})


async def test_the_subscription_ends_with_its_context(server: EmbeddedServer) -> None:
    async with connect(server.url, name="other") as other:
        async with DirectGets(other, "ORDERS"):
            assert len(other.nc._subs) == 2
        assert len(other.nc._subs) == 1
