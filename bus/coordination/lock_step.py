"""Turns: in lock-step each part works only when it is its turn; otherwise nobody waits for anybody.

A request on `turn.<who>` gives a turn up to a position; its answer comes when the work up to there is done.
"""

import asyncio
from types import TracebackType
from typing import Protocol, Self

import msgspec

from bus.client.connection import Bus, Unsubscribe
from bus.client.message import Message
from bus.errors import Ambiguous, NoResponders

RETRY_S = 0.05
ASK_AGAIN_S = 2.0
"""A part that was started anew knows nothing of the turn it was given."""


class StepGate(Protocol):
    """What stands between a part and its work."""

    async def enter(self, position: int) -> None:
        """Return when `position` may be worked on."""
        ...

    def leave(self, position: int, result: int) -> None:
        """Tell that the work up to `position` is done; `result` is told to who gave the turn."""
        ...


class FreeRunning:
    """Turns that are always given."""

    async def enter(self, position: int) -> None:
        pass

    def leave(self, position: int, result: int) -> None:
        pass


class Given(msgspec.Struct, frozen=True):
    """A turn, up to and including a position."""

    until: int


class Done(msgspec.Struct, frozen=True):
    """The work of a turn is done."""

    position: int
    result: int


class LockStep:
    """Turns that `grant_step` gives to `who`.

    A part that was started anew tells with `leave` what had been done before.
    """

    def __init__(self, bus: Bus, who: str) -> None:
        self._bus = bus
        self._who = who
        self._granted = -1
        self._done = Done(-1, 0)
        self._may_go_on = asyncio.Event()
        self._waiting: list[tuple[int, str]] = []
        self._answers: set[asyncio.Task[None]] = set()
        self._unsubscribe: Unsubscribe | None = None

    async def enter(self, position: int) -> None:
        while position > self._granted:
            self._may_go_on.clear()
            await self._may_go_on.wait()

    def leave(self, position: int, result: int) -> None:
        self._done = Done(max(position, self._done.position), result)
        self._answer_who_waited()

    async def __aenter__(self) -> Self:
        self._unsubscribe = await self._bus.subscribe(f"turn.{self._who}", self._on_turn)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unsubscribe is not None:
            await self._unsubscribe()
        if self._answers:
            await asyncio.wait(self._answers)

    def _on_turn(self, message: Message) -> None:
        until = msgspec.json.decode(message.data, type=Given).until
        self._granted = max(self._granted, until)
        self._waiting.append((until, message.reply))
        self._may_go_on.set()
        self._answer_who_waited()

    def _answer_who_waited(self) -> None:
        due = [reply for until, reply in self._waiting if until <= self._done.position]
        if not due:
            return
        self._waiting = [waiting for waiting in self._waiting if waiting[0] > self._done.position]
        for reply in due:
            task = asyncio.create_task(self._bus.publish(reply, msgspec.json.encode(self._done)))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)


async def grant_step(bus: Bus, who: str, until: int, timeout_s: float = 60.0) -> int:
    """Give `who` a turn up to `until` and return its result when that is done.

    A part that is away, or was started anew meanwhile, is asked again.
    Raises: TimeoutError.
    """
    body = msgspec.json.encode(Given(until))
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    answer = await bus.request(f"turn.{who}", body, timeout_s=ASK_AGAIN_S)
                except (NoResponders, Ambiguous):
                    await asyncio.sleep(RETRY_S)
                else:
                    return msgspec.json.decode(answer, type=Done).result
    except TimeoutError:
        raise TimeoutError(f"{who} did not finish its turn up to {until} within {timeout_s:g} s") from None
