"""Requests and core subscriptions."""

import asyncio

import pytest

from bus import Ambiguous, Bus, Message, NoResponders


async def test_a_request_gets_its_reply(bus: Bus) -> None:
    async def reply(message: Message) -> None:
        await bus.publish(message.reply, message.data.upper())

    requests: asyncio.Queue[Message] = asyncio.Queue()
    await bus.subscribe("echo", requests.put_nowait)
    requesting = asyncio.create_task(bus.request("echo", b"hello"))
    await reply(await requests.get())

    assert await requesting == b"HELLO"


async def test_a_request_without_responder_raises(bus: Bus) -> None:
    with pytest.raises(NoResponders):
        await bus.request("nobody", b"")


async def test_a_request_without_reply_is_ambiguous(bus: Bus) -> None:
    await bus.subscribe("silent", lambda _: None)

    with pytest.raises(Ambiguous):
        await bus.request("silent", b"", timeout_s=0.05)


async def test_a_subscription_ends_when_it_is_unsubscribed(bus: Bus) -> None:
    received: asyncio.Queue[Message] = asyncio.Queue()
    unsubscribe = await bus.subscribe("a", received.put_nowait)
    await bus.publish("a", b"1", {"key": "value"})
    message = await received.get()
    await unsubscribe()
    await bus.publish("a", b"2")
    await bus.nc.flush()

    assert (message.data, message.headers, received.empty()) == (b"1", {"key": "value"}, True)
