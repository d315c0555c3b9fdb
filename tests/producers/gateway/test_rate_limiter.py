"""Rate limiter: by priority, limited concurrency and rate, paused on request of the venue."""

import asyncio
from decimal import Decimal

import pytest

from lab.simulation.loop.event_loop import SimulatedLoop
from producers.gateway.rate_limiter import (
    Expired,
    Priority,
    RequestKind,
    RequestQueue,
    VenueRateLimiter,
    Withdrawn,
)
from schemas.units import ClientOrderId

CANCEL = Priority(RequestKind.CANCEL)
CLOSE = Priority(RequestKind.CLOSE)
NEAR, FAR = Priority(RequestKind.OPEN, Decimal("0.001")), Priority(RequestKind.OPEN, Decimal("0.01"))


async def send(
    queue: RequestQueue, priority: Priority, order: list[Priority], timeout_s: float | None = None
) -> None:
    async with queue.slot(priority, timeout_s):
        order.append(priority)


async def test_urgent_requests_are_sent_first() -> None:
    queue = VenueRateLimiter(0, 1).queue(1)
    order: list[Priority] = []
    async with asyncio.TaskGroup() as tasks, queue.slot(CANCEL):
        for priority in (FAR, NEAR, CLOSE, CANCEL):
            tasks.create_task(send(queue, priority, order))
        await asyncio.sleep(0)
    assert order == [CANCEL, CLOSE, NEAR, FAR]


async def test_in_order_requests_are_sent_as_they_come() -> None:
    queue = VenueRateLimiter(0, 1, is_in_order=True).queue(1)
    order: list[Priority] = []
    async with asyncio.TaskGroup() as tasks, queue.slot(CANCEL):
        for priority in (FAR, NEAR, CLOSE, CANCEL):
            tasks.create_task(send(queue, priority, order))
        await asyncio.sleep(0)
    assert order == [FAR, NEAR, CLOSE, CANCEL]


async def test_the_queues_of_a_venue_share_its_tokens_by_priority() -> None:
    rate_limiter = VenueRateLimiter(200, 1)
    queues = [rate_limiter.queue(8), rate_limiter.queue(8)]
    order: list[Priority] = []
    async with asyncio.TaskGroup() as tasks, queues[0].slot(CANCEL):
        for queue, priority in zip(queues * 2, (FAR, NEAR, CLOSE, CANCEL), strict=True):
            tasks.create_task(send(queue, priority, order))
        await asyncio.sleep(0)
    assert order == [CANCEL, CLOSE, NEAR, FAR]


async def test_no_request_is_sent_during_a_pause() -> None:
    rate_limiter = VenueRateLimiter(0, 1)
    queues = [rate_limiter.queue(1), rate_limiter.queue(1)]
    rate_limiter.pause(0.05)
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(send(queue, CANCEL, []) for queue in queues))
    assert asyncio.get_running_loop().time() - started >= 0.05


async def test_a_request_expires_and_the_next_one_is_sent() -> None:
    queue = VenueRateLimiter(0, 1).queue(1)
    order: list[Priority] = []
    async with queue.slot(CANCEL):
        with pytest.raises(Expired):
            await send(queue, NEAR, order, 0.01)
    await send(queue, FAR, order)
    assert order == [FAR]


async def test_a_request_is_withdrawn_while_it_waits() -> None:
    queue, key = VenueRateLimiter(0, 1).queue(1), ClientOrderId("a")
    async with queue.slot(CANCEL, key=ClientOrderId("sent")):
        assert not queue.withdraw(ClientOrderId("sent"))
        waiting = asyncio.create_task(_wait_for_slot(queue, key))
        await asyncio.sleep(0)
        assert queue.withdraw(key)
        assert not queue.withdraw(key)
        with pytest.raises(Withdrawn):
            await waiting
    async with asyncio.timeout(1):
        await send(queue, FAR, [])
    assert not queue.withdraw(key)


async def _wait_for_slot(queue: RequestQueue, key: ClientOrderId) -> None:
    async with queue.slot(NEAR, key=key):
        raise AssertionError("it was sent")


async def test_a_request_cancelled_as_it_is_granted_frees_its_slot() -> None:
    queue = VenueRateLimiter(0, 1).queue(1)
    async with queue.slot(CANCEL):
        waiting = asyncio.create_task(send(queue, NEAR, []))
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    async with asyncio.timeout(1):
        await send(queue, FAR, [])


async def test_used_tokens_are_refilled() -> None:
    queue = VenueRateLimiter(100, 2).queue(8)
    started = asyncio.get_running_loop().time()
    for _ in range(4):
        await send(queue, NEAR, [])
    assert asyncio.get_running_loop().time() - started >= 0.015


def test_rounding_of_tokens_causes_no_busy_loop() -> None:
    async def send_all() -> None:
        queue = VenueRateLimiter(7, 1).queue(8)
        for _ in range(300):
            await send(queue, CANCEL, [])

    SimulatedLoop(1).run(send_all())
