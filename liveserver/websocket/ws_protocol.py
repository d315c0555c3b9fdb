"""The `websockets` protocol configured for viewers, and assembly of fragmented messages."""

import codecs
from collections.abc import Sequence

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from liveserver.auth.error_responses import ErrorResponse
from liveserver.hub.group import CloseCode

SUBPROTOCOL = Subprotocol("opensqt.v2")
VERSION = "13"
UPGRADE_REQUIRED = 426
UNAUTHORIZED = 401
LOGIN_HINT = (
    "this server needs a key, which this page cannot send: open the server's own page, or set http.public"
)
"""At most 123 bytes."""

_new_utf8_decoder = codecs.getincrementaldecoder("utf-8")


class ViewerProtocol(ServerProtocol):
    """Frame parser and writer of one connection; messages have at most `max_size` bytes."""

    def __init__(self, max_size: int, state: State) -> None:
        super().__init__(max_size=max_size, select_subprotocol=_select_subprotocol, state=state)

    def accept(self, request: Request) -> Response:
        if request.headers.get_all("Sec-WebSocket-Version") in ([], [VERSION]):
            return super().accept(request)
        rejection = self.reject(UPGRADE_REQUIRED, f"only WebSocket version {VERSION} is supported\n")
        rejection.headers["Sec-WebSocket-Version"] = VERSION
        return rejection

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            # A close frame may come between fragments (RFC 6455, 5.4) and ends the message being assembled.
            self.current_size = None
        super().recv_frame(frame)


def reject(protocol: ViewerProtocol, request: Request, error: ErrorResponse) -> None:
    """Answer a rejected handshake.

    Browsers hide the answer from the page. A page of the plain protocol, which cannot log in, is therefore accepted and
    closed at once, with a code and the reason.
    """
    if error.status == UNAUTHORIZED and _is_plain_page(request):
        protocol.send_response(protocol.accept(request))
        if protocol.state is State.OPEN:
            protocol.fail(CloseCode.LOGIN_REQUIRED, LOGIN_HINT)
        return
    response = protocol.reject(error.status, error.text)
    for name, value in error.headers.items():
        response.headers[name] = value
    protocol.send_response(response)


def _is_plain_page(request: Request) -> bool:
    offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
    return "Origin" in request.headers and SUBPROTOCOL not in {each.strip() for each in offered.split(",")}


class NotUtf8(ValueError):
    """A text message is not valid UTF-8."""


class TextMessage:
    """A text message assembled from fragments. The frame parser bounds its size."""

    __slots__ = ("_data", "_decoder")

    def __init__(self) -> None:
        self._data = bytearray()
        self._decoder = _new_utf8_decoder()

    def put(self, fragment: bytes | bytearray | memoryview, *, is_last: bool) -> bytes | None:
        """Append a fragment; return the message once it is complete.

        Raises: NotUtf8 at the first fragment that makes the message invalid.
        """
        try:
            self._decoder.decode(bytes(fragment), is_last)
        except UnicodeDecodeError as error:
            raise NotUtf8 from error
        self._data += fragment
        return bytes(self._data) if is_last else None


def _select_subprotocol(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    # Clients that offer only other subprotocols get the plain protocol.
    return SUBPROTOCOL if SUBPROTOCOL in offered else None
