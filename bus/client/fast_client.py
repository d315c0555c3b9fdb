r"""The NATS client with a faster parser, which slices whole messages out of the receive buffer.

Also adds direct subscriptions: their callback is called with raw bytes as soon as these arrive, whereas the library passes
each message through the reading task, a queue and another task. What is published is written in the same round of the event
loop, together with what else is, whereas the library wakes a task for it.

    MSG order.sim.BTC-USDT.report 7 5\r\nhello\r\n
    HMSG order.sim.BTC-USDT.report 7 24 29\r\nNATS/1.0\r\nkey: value\r\n\r\nhello\r\n

The line has subject, subscription id, an optional reply subject, for HMSG the size of the headers, and the total size.
"""

import asyncio
from collections.abc import Callable
from typing import Any

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
        self._is_write_scheduled = False

    async def subscribe_direct(self, subject: str, callback: DirectCallback) -> Subscription:
        """Call back with each message on a subject, when it arrives."""
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

    async def _read_loop(self) -> None:
        if isinstance(self._transport, TcpTransport) and self._transport._io_reader is not None:
            self._fast_parser.read_from(self._transport._io_reader)
        await super()._read_loop()

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        if force_flush or not self.is_connected:
            return await super()._flush_pending(force_flush)
        if not self._is_write_scheduled:
            self._is_write_scheduled = True
            asyncio.get_running_loop().call_soon(self._write_pending)
        return None

    def _write_pending(self) -> None:
        self._is_write_scheduled = False
        if not self.is_connected or not self._pending_data_size:
            return
        writer = self._transport._io_writer if isinstance(self._transport, TcpTransport) else None
        if writer is not None and not writer.is_closing() and not writer.transport.get_write_buffer_size():
            if self._pending:
                writer.write(b"".join(self._pending))
            self._pending, self._pending_data_size = [], 0
        elif self._flush_queue is not None and self._flush_queue.empty():
            # The library's task waits until the transport takes more, or notices that it is closed.
            self._flush_queue.put_nowait(asyncio.get_running_loop().create_future())

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
        self._data = b""
        self._at = 0  # where the next operation begins
        self._min_bytes = 0  # the next operation cannot be complete before there are so many bytes
        self._connections = 0
        super().__init__(client)

    def reset(self) -> None:
        """Discard received bytes, because there is a new connection. Also called by the library's constructor."""
        super().reset()
        self._data, self._at, self._min_bytes = b"", 0, 0
        self._is_parsing = False
        self._connections += 1

    def read_from(self, reader: asyncio.StreamReader) -> None:
        """Dispatch the direct messages that a reader receives at once; its task gets what comes first that is none."""
        feed_task, connection = reader.feed_data, self._connections

        def feed(data: bytes) -> None:
            is_task_behind = self._is_parsing or reader._buffer  # type: ignore[attr-defined]
            if not is_task_behind and self._connections == connection:
                self._append(data)
                data = self._take() if self._dispatch_direct() else b""
            if data:
                feed_task(data)

        reader.feed_data = feed  # type: ignore[assignment, method-assign]

    async def parse(self, data: bytes = b"") -> None:
        """Parse the received bytes.

        Raises: ProtocolError.
        """
        self._append(data)
        self._is_parsing, connection = True, self._connections
        try:
            while self._dispatch_direct():
                await self._parse_next()
                if self._connections != connection:  # reset meanwhile
                    return
        finally:
            self._is_parsing &= self._connections != connection

    def _append(self, data: bytes) -> None:
        self._data, self._at = self._data[self._at :] + data, 0

    def _take(self) -> bytes:
        data, self._data, self._at = self._data[self._at :], b"", 0
        return data

    def _dispatch_direct(self) -> bool:
        """Dispatch direct messages up to something else; return whether that is complete."""
        data, at = self._data, self._at
        if len(data) - at < self._min_bytes:
            return False
        self._min_bytes = 0
        while (end := data.find(CRLF, at)) >= 0:
            try:
                message = _message(data, at, end)
            except ProtocolError:
                return True  # raised to the task
            if message is None:
                return True
            sid, subject, reply, begin, body, after = message
            if after + len(CRLF) > len(data):
                self._min_bytes = after + len(CRLF) - at
                return False
            callback = self.direct.get(sid)
            if callback is None:
                return True
            self._at = at = after + len(CRLF)
            callback(subject, reply, data[begin:body], data[body:after])
        return False

    async def _parse_next(self) -> None:
        """Parse an operation that is complete, and not for a direct subscription."""
        data, at = self._data, self._at
        end = data.index(CRLF, at)
        message = _message(data, at, end)
        if message is None:
            self._at = end + len(CRLF)
            await super().parse(data[at : self._at])
        else:
            sid, subject, reply, begin, body, after = message
            self._at = after + len(CRLF)
            await self.nc._process_msg(sid, subject, reply, data[body:after], data[begin:body] or None)


def _message(data: bytes, at: int, end: int) -> tuple[int, bytes, bytes, int, int, int] | None:
    """Return what the line of a message says; None for another line.

    Returns: subscription id, subject, reply subject, and where its headers begin, its body begins and its body ends.
    Raises: ProtocolError.
    """
    kind = data[at : at + 4]
    if kind not in MESSAGE_KINDS:
        return None
    line = data[at:end].split()
    has_headers = kind == HMSG
    begin = end + len(CRLF)
    try:
        body = begin + int(line[-2]) if has_headers else begin
        after = begin + int(line[-1])
        match len(line) - has_headers:
            case 4:
                return int(line[2]), line[1], b"", begin, body, after
            case 5:
                return int(line[2]), line[1], line[3], begin, body, after
    except ValueError:
        pass
    raise ProtocolError("nats: malformed MSG")
