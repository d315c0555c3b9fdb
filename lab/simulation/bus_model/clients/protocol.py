r"""The client protocol: parses what clients send, and formats what the server sends.

PUB order.sim.BTC-USDT.report _INBOX.a.7 5\r\nhello\r\n
HPUB order.sim.BTC-USDT.report _INBOX.a.7 24 29\r\nNATS/1.0\r\nkey: value\r\n\r\nhello\r\n
SUB live.> 3\r\n          SUB cmd workers 4\r\n          UNSUB 3 10\r\n
"""

from typing import Protocol

MAX_CONTROL_LINE = 4096
CRLF = b"\r\n"


class ViolationError(Exception):
    """The client broke the protocol: the connection is closed, after an error message if there is a text."""


class Operations(Protocol):
    """What a client can ask for."""

    max_payload: int
    has_headers: bool
    """Whether the client may use headers."""

    def connect(self, options: bytes) -> None: ...

    def ping(self) -> None: ...

    def pong(self) -> None: ...

    def subscribe(self, subject: str, queue: str, sid: str) -> None: ...

    def unsubscribe(self, sid: str, maximum: int) -> None: ...

    def publish(self, subject: str, reply: str, block: bytes, data: bytes) -> None: ...


class Parser:
    """Parses the bytes of one connection, in pieces of any size."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._rest = b""
        self._is_stopped = False

    def stop(self) -> None:
        """Ignore the rest of the bytes: the connection is closed."""
        self._is_stopped = True

    def parse(self, data: bytes) -> None:
        """Parse received bytes and carry out each complete operation.

        Raises: ViolationError.
        """
        if self._rest:
            data = self._rest + data
        at = 0
        while not self._is_stopped:
            end = data.find(b"\n", at)
            if end < 0:
                if len(data) - at > MAX_CONTROL_LINE:
                    raise ViolationError("maximum control line exceeded")
                break
            line = data[at:end].rstrip(b"\r")
            operation = line[:4].upper()
            if operation == b"PUB " or (operation == b"HPUB" and line[4:5] in b" \t" and len(line) > 4):
                after = self._parse_publish(line, data, end + 1, has_headers=operation == b"HPUB")
                if after < 0:
                    break
                at = after
            else:
                self._parse_line(line)
                at = end + 1
        self._rest = data[at:]

    def _parse_publish(self, line: bytes, data: bytes, begin: int, *, has_headers: bool) -> int:
        """Carry out a publish and return where the next operation begins; -1 while it is incomplete."""
        if len(line) > MAX_CONTROL_LINE:
            raise ViolationError("maximum control line exceeded")
        if has_headers and not self._operations.has_headers:
            raise ViolationError("")
        parts = line.split()
        if not 3 + has_headers <= len(parts) <= 4 + has_headers:
            raise ViolationError("")
        size = _size(parts[-1])
        head = _size(parts[-2]) if has_headers else 0
        if size < 0 or head < 0 or head > size:
            raise ViolationError("")
        if size > self._operations.max_payload:
            raise ViolationError("Maximum Payload Violation")
        end = begin + size
        if len(data) < end + len(CRLF):
            return -1
        if data[end : end + len(CRLF)] != CRLF:
            raise ViolationError("Unknown Protocol Operation")
        reply = parts[2].decode() if len(parts) == 4 + has_headers else ""
        self._operations.publish(
            parts[1].decode(), reply, data[begin : begin + head], data[begin + head : end]
        )
        return end + len(CRLF)

    def _parse_line(self, line: bytes) -> None:
        if len(line) > MAX_CONTROL_LINE:
            raise ViolationError("maximum control line exceeded")
        name, space, rest = line.replace(b"\t", b" ").partition(b" ")
        if not space and name.upper() in {b"SUB", b"UNSUB", b"CONNECT"}:
            raise ViolationError("Unknown Protocol Operation")
        parts = rest.split()
        match name.upper():
            case b"PING":
                self._operations.ping()
            case b"PONG":
                self._operations.pong()
            case b"+OK" | b"-ERR":
                pass
            case b"SUB":
                self._parse_subscribe(parts)
            case b"UNSUB":
                self._parse_unsubscribe(parts)
            case b"CONNECT":
                self._operations.connect(rest)
            case _:
                raise ViolationError("Unknown Protocol Operation")

    def _parse_subscribe(self, parts: list[bytes]) -> None:
        if not 2 <= len(parts) <= 3:
            raise ViolationError("")
        queue = parts[1].decode() if len(parts) == 3 else ""
        self._operations.subscribe(parts[0].decode(), queue, parts[-1].decode())

    def _parse_unsubscribe(self, parts: list[bytes]) -> None:
        if not 1 <= len(parts) <= 2:
            raise ViolationError("")
        self._operations.unsubscribe(parts[0].decode(), _size(parts[1]) if len(parts) == 2 else -1)


def message(subject: str, sid: str, reply: str, block: bytes, data: bytes) -> bytes:
    """Return a message as the server sends it to a subscription."""
    to = f"{subject} {sid} {reply}" if reply else f"{subject} {sid}"
    if block:
        head = f"HMSG {to} {len(block)} {len(block) + len(data)}\r\n".encode()
        return b"%b%b%b\r\n" % (head, block, data)
    return b"MSG %b %d\r\n%b\r\n" % (to.encode(), len(data), data)


def error(text: str) -> bytes:
    """Return an error message."""
    return f"-ERR '{text}'\r\n".encode()


def _size(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) <= 9 else -1
