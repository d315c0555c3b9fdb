"""Lock-step execution: a service works only up to the position it was granted. Makes replays deterministic.

A position is a number that grows with the service's inputs: a stream sequence, the time of a ticker, an account sequence.

Example:
    turn.engine    {"until": 42}                 request: work up to position 42
                   {"position": 42, "result": 7} reply, once that is done
"""

import asyncio
from types import TracebackType
from typing import Protocol, Self

import msgspec

from bus.client.connection import Bus, Unsubscribe
from bus.client.message import Message
from bus.errors import Ambiguous, NoResponders
from schemas.codec import INVALID_JSON

RETRY_S = 0.05
REPLY_TIMEOUT_S = 2.0
"""The request is repeated after this time, because a restarted service does not know its last grant."""


class StepGate(Protocol):
    """Controls when a service may work."""

    async def enter(self, position: int) -> None:
        """Wait until `position` is granted."""
        ...

    def leave(self, position: int, result: int) -> None:
        """Report that the work up to `position` is done. `grant_step` returns `result`, such as a sequence."""
        ...


class FreeRunning:
    """A StepGate that grants every position at once."""

    async def enter(self, position: int) -> None:
        pass

    def leave(self, position: int, result: int) -> None:
        pass


class Grant(msgspec.Struct, frozen=True):
    """Permission to work up to a position, inclusive."""

    until: int


class Done(msgspec.Struct, frozen=True):
    """The reply to a grant, when its work is done."""

    position: int
    result: int


class LockStep:
    """A StepGate whose positions are granted by `grant_step`, in another process.

    A restarted service calls `leave` with the last position it had finished.
    """

    def __init__(self, bus: Bus, service: str) -> None:
        self._bus = bus
        self._service = service
        self._granted = -1
        self._done = Done(-1, 0)
        self._is_granted = asyncio.Event()
        self._unanswered: list[tuple[int, str]] = []  # position and reply subject
        self._replies: set[asyncio.Task[None]] = set()
        self._unsubscribe: Unsubscribe | None = None

    async def enter(self, position: int) -> None:
        while position > self._granted:
            self._is_granted.clear()
            await self._is_granted.wait()

    def leave(self, position: int, result: int) -> None:
        self._done = Done(max(position, self._done.position), result)
        self._reply_to_finished()

    async def __aenter__(self) -> Self:
        self._unsubscribe = await self._bus.subscribe(f"turn.{self._service}", self._on_grant)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unsubscribe is not None:
            await self._unsubscribe()
        if self._replies:
            await asyncio.wait(self._replies)

    def _on_grant(self, message: Message) -> None:
        try:
            until = msgspec.json.decode(message.data, type=Grant).until
        except INVALID_JSON:
            return  # no answer: the sender asks again
        self._granted = max(self._granted, until)
        self._unanswered.append((until, message.reply))
        self._is_granted.set()
        self._reply_to_finished()

    def _reply_to_finished(self) -> None:
        due = [reply for until, reply in self._unanswered if until <= self._done.position]
        if not due:
            return
        self._unanswered = [each for each in self._unanswered if each[0] > self._done.position]
        for reply in due:
            task = asyncio.create_task(self._bus.publish(reply, msgspec.json.encode(self._done)))
            self._replies.add(task)
            task.add_done_callback(self._replies.discard)


async def grant_step(bus: Bus, service: str, until: int, timeout_s: float = 60.0) -> int:
    """Grant a service the positions up to `until`, and return its result when it has finished them.

    The request is repeated while the service is down, and after its restart.
    Raises: TimeoutError.
    """
    body = msgspec.json.encode(Grant(until))
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    reply = await bus.request(f"turn.{service}", body, timeout_s=REPLY_TIMEOUT_S)
                except (NoResponders, Ambiguous):
                    await asyncio.sleep(RETRY_S)
                else:
                    return msgspec.json.decode(reply, type=Done).result
    except TimeoutError:
        raise TimeoutError(
            f"{service} did not finish its step up to {until} within {timeout_s:g} s"
        ) from None
