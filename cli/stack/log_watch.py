"""What the parts complain of, taken from their log files for the console."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

POLL_S = 0.2
"""Log files are looked at, not pushed: a part writes to its file and never waits for a terminal."""
MOST_LINES = 12
MOST_OF_A_KIND = 3
WINDOW_S = 10.0
"""At most so many lines of a part in so many seconds, fewer of one event, and each text once, whoever says it."""
_LINE = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\S+)\s+(?P<level>[a-z]+)\s+(?P<part>\S+)\s+(?P<rest>.*)")
_LOUD = {"warning": "warning", "error": "error", "critical": "error"}


class LogTail:
    """The end of one log file, read as it grows."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """Yield the lines that were completed since the last call."""
        try:
            with self.path.open("rb") as file:
                if file.seek(0, 2) < self._offset:
                    self._offset = 0
                file.seek(self._offset)
                data = file.read(1_000_000)
        except FileNotFoundError:
            return
        self._offset += len(data)
        *complete, self._rest = (self._rest + data).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in complete)


class Complaints:
    """Shows warnings and errors of the parts, no more of each than one can read."""

    def __init__(self, tails: list[LogTail], show: Callable[[str], None]) -> None:
        self._tails = tails
        self._show = show
        self._shown: Counter[tuple[str, str]] = Counter()
        self._texts: set[str] = set()
        self._until = 0.0

    async def run(self) -> None:
        """Show what comes, for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(POLL_S)
            if clock() >= self._until:
                self._shown, self._texts, self._until = Counter(), set(), clock() + WINDOW_S
            self.look()

    def look(self) -> None:
        """Show what came since the last look."""
        for tail in self._tails:
            for line in tail.lines():
                text = complaint(line)
                if text is not None and text not in self._texts:
                    self._texts.add(text)
                    self._count(tail, text)

    def _count(self, tail: LogTail, text: str) -> None:
        event = " ".join(text.split()[:2])
        for kind, most in ((event, MOST_OF_A_KIND), ("", MOST_LINES)):
            self._shown[tail.name, kind] += 1
            if self._shown[tail.name, kind] > most + 1:
                return
            if self._shown[tail.name, kind] == most + 1:
                self._show(f"{tail.name}: more of this in {tail.path}")
                return
        self._show(f"{tail.name}: {text}")


def complaint(line: str) -> str | None:
    """Return a log line as the console shows it; None when nobody has to see it."""
    match = _LINE.match(line)
    if match is None:
        # Not from our logger: a traceback, or a library's last words.
        return line.rstrip() or None
    level = _LOUD.get(match["level"])
    return None if level is None else f"{level}: {match['rest']}"
