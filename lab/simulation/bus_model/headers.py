r"""Header blocks as the server edits them: `NATS/1.0\r\nNats-Msg-Id: a\r\n\r\n`."""

PREFIX = b"NATS/1.0\r\n"
CRLF = b"\r\n"


def get(block: bytes, name: bytes) -> bytes:
    """Return the value of a header, without leading spaces; empty when it is missing or empty."""
    at = block.find(b"\r\n" + name + b":") if block else -1
    if at < 0:
        return b""
    begin = at + len(name) + 3
    end = block.find(CRLF, begin)
    return block[begin : end if end >= 0 else len(block)].lstrip(b" ")


def server_headers(block: bytes) -> dict[bytes, bytes]:
    """Return the headers that the server reads, those that begin with `Nats-`: the first value of each."""
    found: dict[bytes, bytes] = {}
    for line in block.split(CRLF):
        if line.startswith(b"Nats-"):
            name, colon, value = line.partition(b":")
            if colon:
                found.setdefault(name, value.lstrip(b" "))
    return found


def appended(block: bytes, lines: bytes) -> bytes:
    """Return a block with lines added at its end, each with its line break."""
    return (block[: -len(CRLF)] if block else PREFIX) + lines + CRLF


def without_status(block: bytes) -> bytes:
    """Return a block without the status in its first line; empty when nothing else is left."""
    end = block.find(b"\r")
    if not block.startswith(b"NATS/1.0") or end <= len(b"NATS/1.0"):
        return block
    block = b"NATS/1.0" + block[end:]
    return b"" if len(block) == len(PREFIX) + len(CRLF) else block


def without(block: bytes, name: bytes) -> bytes:
    """Return a block without a header."""
    at = block.find(b"\r\n" + name + b":")
    if at < 0:
        return block
    end = block.find(CRLF, at + len(CRLF))
    rest = block[:at] + block[end:]
    return b"" if len(rest) <= len(PREFIX) + len(CRLF) else rest


def status(code: int, text: str = "", lines: str = "") -> bytes:
    """Return the block of a status message, for example `404 Message Not Found`."""
    return f"NATS/1.0 {code}{' ' if text else ''}{text}\r\n{lines}\r\n".encode()
