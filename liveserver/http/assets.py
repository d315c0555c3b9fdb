"""The page's files, read from disk when they changed, so that an edit shows at the next reload."""

import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple

WEB = Path(__file__).parent.parent / "web"
LIBRARY = "vendor/lightweight-charts.mjs"

MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain",
}
"""What is served at all."""


class PageIncomplete(OSError):
    """Files of the page are missing: the installation is at fault."""


class Asset(NamedTuple):
    """One file, ready to be served."""

    body: bytes
    packed: bytes
    """The same, by gzip."""
    media_type: str
    etag: str


class Assets:
    """The files below one folder."""

    def __init__(self, root: Path = WEB) -> None:
        self._root = root.resolve()
        self._read: dict[Path, tuple[int, Asset]] = {}

    def check(self) -> None:
        """Make sure that the page can be served.

        Raises: PageIncomplete when it lacks a file.
        """
        for name in ("index.html", LIBRARY):
            if not (self._root / name).is_file():
                raise PageIncomplete(
                    f"the page has no {name}: install the project again (`./opensqt dev` in the repository)"
                )

    def get(self, name: str) -> Asset | None:
        """Return a file, None when there is none of that name or it is not for browsers."""
        path = (self._root / name.lstrip("/")).resolve()
        media_type = MEDIA_TYPES.get(path.suffix)
        if media_type is None or not path.is_relative_to(self._root) or not path.is_file():
            return None
        changed = path.stat().st_mtime_ns
        known = self._read.get(path)
        if known is None or known[0] != changed:
            known = (changed, _read(path, media_type))
            self._read[path] = known
        return known[1]


def _read(path: Path, media_type: str) -> Asset:
    body = path.read_bytes()
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:24]}"'
    return Asset(body, gzip.compress(body, 6, mtime=0), media_type, etag)
