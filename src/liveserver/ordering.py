"""Commands that come over sockets: carried out beside each other, and each answered on its own socket."""

import asyncio
from typing import Never, Protocol

from bus import get_logger
from liveserver.commanding import Commanding
from liveserver.guard import Asking
from liveserver.identity import Identity
from liveserver.messages import CommandAnswer, CommandState, Message, MessageType
from liveserver.refusal import Refusal
from liveserver.requests import ControlRequest

AT_ONCE = 32
"""So many commands are on the way at most; there are never many, and each is kept in mind for a while."""

FAILED = Refusal(
    500, "internal_error", "something went wrong here", "look whether it was applied before you try again"
)


class Asker(Protocol):
    """Whoever gave a command."""

    def tell(self, message: Message) -> None:
        """Send it a message, if it is still there."""
        ...


class Ordering:
    """Carries out commands for as long as `run` does."""

    def __init__(self, commanding: Commanding) -> None:
        self._commanding = commanding
        self._given: asyncio.Queue[tuple[Asker, Identity, ControlRequest]] = asyncio.Queue()
        self._count = 0
        self._log = get_logger("liveserver")

    def give(self, asker: Asker, identity: Identity, request: ControlRequest) -> None:
        """Have a command given; the answer comes as a message."""
        if self._count >= AT_ONCE:
            busy = Refusal(
                429, "too_many_requests", "too many commands are on the way", "wait for their answers"
            )
            asker.tell(_message(busy, request))
            return
        self._count += 1
        self._given.put_nowait((asker, identity, request))

    async def run(self) -> Never:
        """Carry out what is given; for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._carry_out(*await self._given.get()), name="command")

    async def _carry_out(self, asker: Asker, identity: Identity, request: ControlRequest) -> None:
        answer: CommandAnswer | Refusal
        try:
            answer = await self._commanding.give(request, identity, Asking())
        except Exception as error:  # noqa: BLE001 - a task's outermost edge: one command must not end all others
            self._log.error("command_failed", command=request.command, detail=error)
            answer = FAILED
        finally:
            self._count -= 1
        asker.tell(_message(answer, request))


def _message(answer: CommandAnswer | Refusal, request: ControlRequest) -> Message:
    if isinstance(answer, Refusal):
        answer = CommandAnswer(
            command_id="",
            state=CommandState.REFUSED,
            command=request.command,
            key=request.key,
            market=request.symbol,
            detail=answer.text.strip(),
        )
    return Message(MessageType.COMMAND, answer)
