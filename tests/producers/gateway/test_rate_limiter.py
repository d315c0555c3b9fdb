"""The budget of requests: the most urgent first, no more at once than may be, nobody while the venue wants rest."""

import asyncio
from decimal import Decimal

import pytest

from producers.gateway.rate_limiter import Expired, Lane, Priority, Rank, VenueRateLimiter

CANCEL = Priority(Rank.CANCEL)
CLOSE = Priority(Rank.CLOSE)
NEAR, FAR = Priority(Rank.OPEN, Decimal("0.001")), Priority(Rank.OPEN, Decimal("0.01"))


async def ask(lane: Lane, urgency: Priority, order: list[Priority], patience_s: float | None = None) -> None:
    async with lane.turn(urgency, patience_s):
        order.append(urgency)


async def test_what_is_more_urgent_goes_first() -> None:
    lane = VenueRateLimiter(0, 1).lane(1)
    order: list[Priority] = []
    async with asyncio.TaskGroup() as tasks, lane.turn(CANCEL):
        for urgency in (FAR, NEAR, CLOSE, CANCEL):
            tasks.create_task(ask(lane, urgency, order))
        await asyncio.sleep(0)
    assert order == [CANCEL, CLOSE, NEAR, FAR]


async def test_in_order_the_first_to_come_goes_first() -> None:
    lane = VenueRateLimiter(0, 1, is_in_order=True).lane(1)
    order: list[Priority] = []
    async with asyncio.TaskGroup() as tasks, lane.turn(CANCEL):
        for urgency in (FAR, NEAR, CLOSE, CANCEL):
            tasks.create_task(ask(lane, urgency, order))
        await asyncio.sleep(0)
    assert order == [FAR, NEAR, CLOSE, CANCEL]


async def test_the_lanes_of_a_venue_share_its_tokens_by_urgency() -> None:
    budget = VenueRateLimiter(200, 1)
    lanes = [budget.lane(8), budget.lane(8)]
    order: list[Priority] = []
    async with asyncio.TaskGroup() as tasks, lanes[0].turn(CANCEL):
        for lane, urgency in zip(lanes * 2, (FAR, NEAR, CLOSE, CANCEL), strict=True):
            tasks.create_task(ask(lane, urgency, order))
        await asyncio.sleep(0)
    assert order == [CANCEL, CLOSE, NEAR, FAR]


async def test_nobody_asks_while_the_venue_wants_rest() -> None:
    budget = VenueRateLimiter(0, 1)
    lanes = [budget.lane(1), budget.lane(1)]
    budget.rest(0.05)
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(ask(lane, CANCEL, []) for lane in lanes))
    assert asyncio.get_running_loop().time() - started >= 0.05


async def test_who_waits_longer_than_it_is_of_use_is_shed_and_the_next_one_goes() -> None:
    lane = VenueRateLimiter(0, 1).lane(1)
    order: list[Priority] = []
    async with lane.turn(CANCEL):
        with pytest.raises(Expired):
            await ask(lane, NEAR, order, 0.01)
    await ask(lane, FAR, order)
    assert order == [FAR]


async def test_who_gives_up_when_it_was_just_granted_gives_the_turn_back() -> None:
    lane = VenueRateLimiter(0, 1).lane(1)
    async with lane.turn(CANCEL):
        waiting = asyncio.create_task(ask(lane, NEAR, []))
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    async with asyncio.timeout(1):
        await ask(lane, FAR, [])


async def test_an_empty_budget_fills_up_again() -> None:
    lane = VenueRateLimiter(100, 2).lane(8)
    started = asyncio.get_running_loop().time()
    for _ in range(4):
        await ask(lane, NEAR, [])
    assert asyncio.get_running_loop().time() - started >= 0.015
