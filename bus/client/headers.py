"""Message headers, parsed on first access: most are never read."""

from collections.abc import Iterator, Mapping


class Headers(Mapping[str, str]):
    r"""The headers of a block: `NATS/1.0\r\nschema: Ticker\r\n\r\n`. An empty block has none."""

    __slots__ = ("_block", "_parsed")

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._parsed: dict[str, str] | None = None

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
        if self._parsed is None:
            self._parsed = parse_headers(self._block)
        return self._parsed


def parse_headers(block: bytes) -> dict[str, str]:
    r"""Parse the headers of a block: `NATS/1.0\r\nschema: Ticker\r\n\r\n`."""
    lines = block.decode("utf-8", "replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def parse_status(block: bytes) -> tuple[str, str]:
    """Return status and description of a block that begins `NATS/1.0 408 Request Timeout`; empty when it has none."""
    first = block.partition(b"\r\n")[0].decode("utf-8", "replace")
    _, _, rest = first.partition(" ")
    status, _, description = rest.strip().partition(" ")
    return status, description.strip()
