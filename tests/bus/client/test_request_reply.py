import asyncio

import pytest

from bus import Ambiguous, Bus, Message, NoResponders


async def test_a_request_is_answered(bus: Bus) -> None:
    async def answer(message: Message) -> None:
        await bus.publish(message.reply, message.data.upper())

    questions: asyncio.Queue[Message] = asyncio.Queue()
    await bus.subscribe("echo", questions.put_nowait)
    asking = asyncio.create_task(bus.request("echo", b"hello"))
    await answer(await questions.get())

    assert await asking == b"HELLO"


async def test_a_request_to_nobody_is_told(bus: Bus) -> None:
    with pytest.raises(NoResponders):
        await bus.request("nobody", b"")


async def test_a_request_without_an_answer_is_ambiguous(bus: Bus) -> None:
    await bus.subscribe("silent", lambda _: None)

    with pytest.raises(Ambiguous):
        await bus.request("silent", b"", timeout_s=0.05)


async def test_a_subscription_ends_when_it_is_undone(bus: Bus) -> None:
    heard: asyncio.Queue[Message] = asyncio.Queue()
    undo = await bus.subscribe("a", heard.put_nowait)
    await bus.publish("a", b"1", {"key": "value"})
    message = await heard.get()
    await undo()
    await bus.publish("a", b"2")
    await bus.nc.flush()

    assert (message.data, message.headers, heard.empty()) == (b"1", {"key": "value"}, True)
