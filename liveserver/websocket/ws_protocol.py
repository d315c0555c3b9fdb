"""The library's WebSocket protocol as viewers meet it: one subprotocol of ours, and version 13 alone."""

from collections.abc import Sequence

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

SUBPROTOCOL = Subprotocol("opensqt.v2")
VERSION = "13"
UPGRADE_REQUIRED = 426


class ViewerProtocol(ServerProtocol):
    """One connection's frames. A message may have `max_size` bytes."""

    def __init__(self, max_size: int, state: State) -> None:
        super().__init__(max_size=max_size, select_subprotocol=_select, state=state)

    def accept(self, request: Request) -> Response:
        if request.headers.get_all("Sec-WebSocket-Version") in ([], [VERSION]):
            return super().accept(request)
        refusal = self.reject(UPGRADE_REQUIRED, f"WebSocket version {VERSION} only\n")
        refusal.headers["Sec-WebSocket-Version"] = VERSION
        return refusal

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            # It may come between fragments (RFC 6455, 5.4), and is answered like any other.
            self.current_size = None
        super().recv_frame(frame)


def _select(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    # Whoever offers others only is served as a plain socket is.
    return SUBPROTOCOL if SUBPROTOCOL in offered else None
