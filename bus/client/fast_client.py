r"""The NATS client with a faster parser, which slices whole messages out of the receive buffer.

Also adds direct subscriptions: their callback is called by the reading task with raw bytes, whereas the library passes
each message through a queue and a task.

    MSG order.sim.BTC-USDT.report 7 5\r\nhello\r\n
    HMSG order.sim.BTC-USDT.report 7 24 29\r\nNATS/1.0\r\nkey: value\r\n\r\nhello\r\n

The line has subject, subscription id, an optional reply subject, for HMSG the size of the headers, and the total size.
"""

from collections.abc import Callable

import nats.errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from bus.peer import PeerCheck

CRLF = b"\r\n"
HMSG = b"HMSG"
MESSAGE_KINDS = (b"MSG ", HMSG)

DirectCallback = Callable[[bytes, bytes, bytes, bytes], None]
"""Takes subject, reply subject, header block (empty when there is none) and body. It must not raise."""


class ForeignServer(nats.errors.Error):
    """The server on loopback is a process of a user who must not run it; it has received no credentials."""


class FastClient(Client):
    """The library's client with `FastParser`, direct subscriptions, and a check of who runs the server."""

    def __init__(self) -> None:
        super().__init__()
        self.server_check: PeerCheck | None = None
        """Which users may run a server on loopback; None: any user."""
        self._ps = self._fast_parser = FastParser(self)

    async def subscribe_direct(self, subject: str, callback: DirectCallback) -> Subscription:
        """Call back with each message on a subject, in the task that reads the connection."""
        subscription: Subscription = await self.subscribe(subject)
        self._fast_parser.direct[subscription._id] = callback
        return subscription

    async def unsubscribe_direct(self, subscription: Subscription) -> None:
        """End a subscription made by `subscribe_direct`."""
        self._fast_parser.direct.pop(subscription._id, None)
        await subscription.unsubscribe()

    def _connect_command(self) -> bytes:
        # The server has sent its INFO, so its process has accepted the connection and owns the socket.
        if self.server_check is not None and isinstance(self._transport, TcpTransport):
            writer = self._transport._io_writer
            who = self.server_check.stranger(writer and writer.get_extra_info("socket"))
            if who is not None:
                self._transport.close()  # type: ignore[no-untyped-call] # the library's
                raise ForeignServer(f"the port is taken by {who}, who does not run this bus")
        return bytes(super()._connect_command())

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
        except BaseException:
            # The library would leave it open, for example behind a proxy whose server is down.
            if self._transport is not None:
                self._transport.close()  # type: ignore[no-untyped-call] # the library's
            raise

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        if not self.is_connected:
            # There is no connection to send it on: the library would write to a closed transport.
            self._pending, self._pending_data_size = [], 0
        # The library reports no error that the server sends right after it accepted a connection: the
        # process would stay alive without a connection for ever.
        await super()._close(status, do_cbs or status == Client.CLOSED)

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        found = {}
        for line in str(raw, "utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and (name := name.strip()).isascii() and " " not in name:
                found[name] = value.strip()
        return found


class FastParser(Parser):
    """Parses MSG and HMSG itself and passes every other line to the library's parser."""

    def __init__(self, client: FastClient) -> None:
        self.direct: dict[int, DirectCallback] = {}
        """Callbacks of direct subscriptions, by subscription id."""
        self._buffer = bytearray()
        self._min_bytes = 0  # no message can be complete before the buffer has this size
        self._connections = 0
        super().__init__(client)

    def reset(self) -> None:
        """Discard the buffer, because there is a new connection. Also called by the library's constructor."""
        super().reset()
        self._buffer = bytearray()
        self._min_bytes = 0
        self._connections += 1

    async def parse(self, data: bytes = b"") -> None:
        """Parse the received bytes.

        Raises: ProtocolError.
        """
        self._buffer += data
        if len(self._buffer) < self._min_bytes:
            return
        data, self._min_bytes, connection = bytes(self._buffer), 0, self._connections
        self._buffer.clear()
        at = 0
        while (end := data.find(CRLF, at)) >= 0:
            kind = data[at : at + 4]
            if kind not in MESSAGE_KINDS:
                await super().parse(data[at : end + len(CRLF)])
                at = end + len(CRLF)
            else:
                line = data[at:end].split()
                begin = end + len(CRLF)
                after = begin + _number(line[-1])
                if after + len(CRLF) > len(data):
                    self._min_bytes = after + len(CRLF) - at
                    break
                await self._dispatch(line, data, begin, after, has_headers=kind == HMSG)
                at = after + len(CRLF)
            if self._connections != connection:  # reset while dispatching
                return
        self._buffer += data[at:]

    async def _dispatch(
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
