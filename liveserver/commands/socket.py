"""Operator commands over WebSockets: run concurrently, each answered on its own socket."""

from contextlib import aclosing

from liveserver.auth.authenticator import RequestInfo
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import Identity
from liveserver.commands.service import CommandService
from liveserver.hub.background import BackgroundTasks
from liveserver.hub.group import Viewer
from liveserver.hub.hub import Hub
from liveserver.protocol.client_messages import ControlRequest
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import CommandAnswer, CommandState

MAX_PENDING = 32
"""Commands that await an answer, over all sockets."""

TOO_MANY_PENDING = ErrorResponse(
    429, "too_many_requests", "too many commands are awaiting an answer", "retry after their answers"
)


class SocketCommands:
    """Runs commands in the background, and sends each answer to the viewer that gave the command."""

    def __init__(self, command_service: CommandService, hub: Hub, background: BackgroundTasks) -> None:
        self._command_service = command_service
        self._hub = hub
        self._background = background
        self._pending = 0

    def give(self, viewer: Viewer, identity: Identity, request: ControlRequest, address: str) -> None:
        """Give a command of a client at `address`; each of its answers is sent to the viewer as a message."""
        if self._pending >= MAX_PENDING:
            self._hub.send(viewer, _message(TOO_MANY_PENDING, request))
            return
        self._pending += 1
        self._background.start(viewer, self._run(viewer, identity, request, RequestInfo(address)), "command")

    async def _run(
        self, viewer: Viewer, identity: Identity, request: ControlRequest, info: RequestInfo
    ) -> None:
        try:
            async with aclosing(self._command_service.follow(request, identity, info)) as answers:
                async for answer in answers:
                    self._hub.send(viewer, _message(answer, request))
        finally:
            self._pending -= 1


def _message(answer: CommandAnswer | ErrorResponse, request: ControlRequest) -> Message:
    if isinstance(answer, ErrorResponse):
        answer = CommandAnswer(
            command_id="",
            state=CommandState.REFUSED,
            final=True,
            command=request.command,
            key=request.key,
            venue=request.venue,
            market=request.symbol,
            detail=answer.text.strip(),
        )
    return Message(MessageType.COMMAND, answer)
