"""The client library with a quicker way in: whole messages are cut out of what has come, not character by character.

Beside the library's own subscriptions, which pass each message through a queue and a task, there are direct ones: their
callback is called at once, with bytes as they came.
"""

from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

CRLF = b"\r\n"
WITH_HEADERS = b"HMSG"
KINDS = (b"MSG ", WITH_HEADERS)

Direct = Callable[[bytes, bytes, bytes, bytes], None]
"""Takes subject, reply subject, headers as they came (empty when there are none) and body. It must not raise."""


class FastClient(Client):
    """Reads messages as the library does, only sooner."""

    def __init__(self) -> None:
        super().__init__()
        self._ps = self._quick = FastParser(self)

    async def listen(self, subject: str, callback: Direct) -> Subscription:
        """Call back with each message on a subject, in the task that reads the connection."""
        subscription: Subscription = await self.subscribe(subject)
        self._quick.direct[subscription._id] = callback
        return subscription

    async def forget(self, subscription: Subscription) -> None:
        """End a subscription that `listen` made."""
        self._quick.direct.pop(subscription._id, None)
        await subscription.unsubscribe()

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        found = {}
        for line in str(raw, "utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and (name := name.strip()).isascii() and " " not in name:
                found[name] = value.strip()
        return found


class FastParser(Parser):
    """Takes messages out of the stream of bytes by itself, and leaves every other line to the library."""

    def __init__(self, client: FastClient) -> None:
        self.direct: dict[int, Direct] = {}
        super().__init__(client)

    def reset(self) -> None:
        """Forget what has come: the connection is another one."""
        super().reset()
        self._rest = bytearray()
        # So many bytes have to be there before looking at them makes sense.
        self._needs = 0
        self._connections = getattr(self, "_connections", 0) + 1

    async def parse(self, data: bytes = b"") -> None:
        """Take what has come.

        Raises: ProtocolError.
        """
        self._rest += data
        if len(self._rest) < self._needs:
            return
        data, self._needs, connection = bytes(self._rest), 0, self._connections
        self._rest.clear()
        at = 0
        while (end := data.find(CRLF, at)) >= 0:
            kind = data[at : at + 4]
            if kind not in KINDS:
                await super().parse(data[at : end + len(CRLF)])
                at = end + len(CRLF)
            else:
                line = data[at:end].split()
                begin = end + len(CRLF)
                after = begin + _number(line[-1])
                if after + len(CRLF) > len(data):
                    self._needs = after + len(CRLF) - at
                    break
                await self._take(line, data, begin, after, has_headers=kind == WITH_HEADERS)
                at = after + len(CRLF)
            if self._connections != connection:
                return
        self._rest += data[at:]

    async def _take(
        self, line: list[bytes], data: bytes, begin: int, after: int, *, has_headers: bool
    ) -> None:
        if not 4 <= len(line) - has_headers <= 5:
            raise ProtocolError("nats: malformed MSG")
        body = begin + _number(line[-2]) if has_headers else begin
        reply = line[3] if len(line) > 4 + has_headers else b""
        sid = _number(line[2])
        callback = self.direct.get(sid)
        if callback is not None:
            callback(line[1], reply, data[begin:body], data[body:after])
        else:
            await self.nc._process_msg(sid, line[1], reply, data[body:after], data[begin:body] or None)


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise ProtocolError("nats: malformed MSG") from None
