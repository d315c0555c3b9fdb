"""Print warnings, errors and lines in another format from the parts' log files on the console, rate-limited."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from schemas.codec import INVALID_JSON

POLL_S = 0.2
"""The files are polled: a part writes to its file and never blocks on our terminal."""
WINDOW_S = 10.0
"""Time after which the limits count from zero."""
MAX_LINES = 12
"""Lines of one part in each window."""
MAX_LINES_PER_EVENT = 3
"""Lines of one event of one part in each window.

Equal texts are printed once in each window, also when several parts log them.
"""
_LOG_LINE = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\S+)\s+(?P<level>[a-z]+)\s+(?P<part>\S+)\s+(?P<rest>.*)")
"""`2026-11-21T04:00:00.123Z warning engine fenced step=12`"""
_PRINTED_LEVELS = {"warning": "warning", "error": "error", "critical": "error"}
HEAD = {"time", "level", "service", "event"}
"""The keys of each line in JSON."""
_MAX_READ_BYTES = 1_000_000
"""Bytes read from one file at once."""


class LogFollower:
    """Reads the lines appended to one log file from now on, as `tail -F -n 0` does."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self._incomplete = b""

    def lines(self) -> Iterator[str]:
        """Yield the lines completed since the last call, at most `_MAX_READ_BYTES` at once."""
        try:
            with self.path.open("rb") as file:
                if file.seek(0, 2) < self._offset:
                    self._offset = 0
                file.seek(self._offset)
                data = file.read(_MAX_READ_BYTES)
        except FileNotFoundError:
            return
        self._offset += len(data)
        *complete, self._incomplete = (self._incomplete + data).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in complete)


class LogWatch:
    """Prints warnings and errors of the parts, and lines that the project's logger did not write."""

    def __init__(self, logs: list[LogFollower], report: Callable[[str], None]) -> None:
        self._logs = logs
        self._report = report
        self._counts: Counter[tuple[str, str]] = Counter()
        self._texts: set[str] = set()
        self._window_end = 0.0

    async def run(self) -> None:
        """Watch until canceled."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(POLL_S)
            if clock() >= self._window_end:
                self._counts, self._texts, self._window_end = Counter(), set(), clock() + WINDOW_S
            self.check()

    def check(self) -> None:
        """Print what was logged since the last check."""
        for log in self._logs:
            for line in log.lines():
                text = console_text(line)
                if text is not None and text not in self._texts:
                    self._texts.add(text)
                    self._print_limited(log, text)

    def _print_limited(self, log: LogFollower, text: str) -> None:
        event = " ".join(text.split()[:2])  # such as `warning: fenced`
        # The count under "" is that of all lines of the part.
        for counted, maximum in ((event, MAX_LINES_PER_EVENT), ("", MAX_LINES)):
            self._counts[log.name, counted] += 1
            count = self._counts[log.name, counted]
            if count > maximum + 1:
                return
            if count == maximum + 1:
                self._report(f"{log.name}: more lines like this in {log.path}")
                return
        self._report(f"{log.name}: {text}")


def console_text(line: str) -> str | None:
    """Return the console text of a log line, None for an uninteresting one.

    `2026-11-21T04:00:00.123Z warning engine fenced step=12` becomes `warning: fenced step=12`, as does the same in JSON.
    """
    if line.startswith("{") and (found := _json_line(line)) is not None:
        return found[0]
    match = _LOG_LINE.match(line)
    if match is None:
        # Not written by our logger: a traceback, or output of a library.
        return line.rstrip() or None
    level = _PRINTED_LEVELS.get(match["level"])
    return None if level is None else f"{level}: {match['rest']}"


def _json_line(line: str) -> tuple[str | None] | None:
    """Return the console text of a line in JSON, which may be None; None for a line that is not of our logger."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
    except INVALID_JSON:
        return None
    if not fields.keys() >= HEAD:
        return None
    level = _PRINTED_LEVELS.get(fields["level"])
    if level is None:
        return (None,)
    pairs = [f"{key}={_shown(value)}" for key, value in fields.items() if key not in HEAD]
    return (" ".join([f"{level}: {fields['event']}", *pairs]),)


def _shown(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text or not text else text
