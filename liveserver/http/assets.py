"""Static files of the page, cached in memory and read again when they change on disk."""

import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple

WEB = Path(__file__).parent.parent / "web"
CHART_LIBRARY = "vendor/lightweight-charts.mjs"

PREFIX = "/static/"
MAX_NAME_CHARS = 200

MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain",
}
"""File types that are served; all others are not found."""


class MissingPageFile(OSError):
    """The installation lacks a file of the page."""


class Asset(NamedTuple):
    """A static file, ready to be served."""

    body: bytes
    gzipped: bytes
    media_type: str
    etag: str


class Assets:
    """The static files below a folder, sub-folders included."""

    def __init__(self, root: Path = WEB) -> None:
        self._root = root.resolve()
        self._cache: dict[Path, tuple[int, Asset]] = {}

    def check(self) -> None:
        """Check that the page and the chart library are installed.

        Raises: MissingPageFile.
        """
        for name in ("index.html", CHART_LIBRARY):
            if not (self._root / name).is_file():
                raise MissingPageFile(
                    f"the page lacks the file {name}: reinstall the project (`./opensqt dev` in the repository)"
                )

    def is_path(self, path: str) -> bool:
        """Return whether there is a file at the path of a URL, such as `/static/main.js`."""
        return path.startswith(PREFIX) and self.get(path.removeprefix(PREFIX)) is not None

    def get(self, name: str) -> Asset | None:
        """Return the file at a path relative to the root, such as `charts/chart.js`.

        None if it does not exist, lies outside of the root, or is not of a served type.
        """
        if len(name) > MAX_NAME_CHARS or Path(name).suffix not in MEDIA_TYPES:
            return None
        try:
            path = (self._root / name.lstrip("/")).resolve()
            media_type = MEDIA_TYPES.get(path.suffix)
            if media_type is None or not path.is_relative_to(self._root) or not path.is_file():
                return None
            modified_ns = path.stat().st_mtime_ns
        except (OSError, ValueError):  # no file name: too long, or with a null byte
            return None
        cached = self._cache.get(path)
        if cached is None or cached[0] != modified_ns:
            cached = (modified_ns, _read(path, media_type))
            self._cache[path] = cached
        return cached[1]


def _read(path: Path, media_type: str) -> Asset:
    body = path.read_bytes()
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:24]}"'
    return Asset(body, gzip.compress(body, 6, mtime=0), media_type, etag)
