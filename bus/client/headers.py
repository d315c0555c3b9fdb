"""The headers of a message: kept as they came, and read when somebody asks, which few do."""

from collections.abc import Iterator, Mapping


class Headers(Mapping[str, str]):
    """The headers in a block that begins with the line `NATS/1.0`; none in an empty one."""

    __slots__ = ("_block", "_read")

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._read: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return repr(self._all)

    @property
    def _all(self) -> dict[str, str]:
        if self._read is None:
            self._read = parse_headers(self._block)
        return self._read


def parse_headers(block: bytes) -> dict[str, str]:
    """Return the headers of a block."""
    lines = block.decode("utf-8", "replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def parse_status(block: bytes) -> tuple[str, str]:
    """Return status and description of a block whose first line is `NATS/1.0 408 Request Timeout`, empty without."""
    first = block.partition(b"\r\n")[0].decode("utf-8", "replace")
    _, _, said = first.partition(" ")
    status, _, description = said.strip().partition(" ")
    return status, description.strip()
