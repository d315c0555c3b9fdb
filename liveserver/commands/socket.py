"""Commands that come over sockets: carried out beside each other, and each answered on its own socket."""

from liveserver.auth.authenticator import Asking
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import Identity
from liveserver.commands.service import Commanding
from liveserver.hub.background import BackgroundTasks
from liveserver.hub.group import Viewer
from liveserver.hub.hub import Hub
from liveserver.protocol.answers import CommandAnswer, CommandState
from liveserver.protocol.client_messages import ControlRequest
from liveserver.protocol.server_messages import Message, MessageType

AT_ONCE = 32
"""So many commands are on the way at most; there are never many, and each is kept in mind for a while."""

BUSY = Refusal(429, "too_many_requests", "too many commands are on the way", "wait for their answers")


class Ordering:
    """Has commands carried out, and tells whoever gave one what became of it."""

    def __init__(self, commanding: Commanding, hub: Hub, errands: BackgroundTasks) -> None:
        self._commanding = commanding
        self._hub = hub
        self._errands = errands
        self._count = 0

    def give(self, viewer: Viewer, identity: Identity, request: ControlRequest) -> None:
        """Have a command given; the answer comes as a message."""
        if self._count >= AT_ONCE:
            self._hub.tell(viewer, _message(BUSY, request))
            return
        self._count += 1
        self._errands.send(viewer, self._carry_out(viewer, identity, request), "command")

    async def _carry_out(self, viewer: Viewer, identity: Identity, request: ControlRequest) -> None:
        try:
            answer = await self._commanding.give(request, identity, Asking())
        finally:
            self._count -= 1
        self._hub.tell(viewer, _message(answer, request))


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
