"""Speaking to the person at the terminal: lines, a progress line that replaces itself, and colours where they are seen."""

import sys
import time
from contextlib import suppress
from typing import TextIO

QUIET_S = 5.0
"""Where a line cannot be replaced, progress is told so often."""


class Console:
    """Lines on standard output."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self.is_terminal = self._out.isatty()
        self._progress = ""
        self._told = 0.0

    def say(self, text: str) -> None:
        """Print a line, above the progress line when there is one."""
        self._erase()
        self._write(f"{text}\n")
        self._draw()

    def progress(self, text: str) -> None:
        """Replace the progress line; without a terminal, print it now and then."""
        if self.is_terminal:
            self._erase()
            self._progress = text
            self._draw()
        elif time.monotonic() - self._told >= QUIET_S:
            self._told = time.monotonic()
            self._write(f"{text}\n")

    def end_progress(self) -> None:
        """Take the progress line away."""
        self._erase()
        self._progress = ""

    def _erase(self) -> None:
        if self._progress:
            self._write("\r\x1b[K")

    def _draw(self) -> None:
        if self._progress:
            self._write(self._progress)

    def _write(self, text: str) -> None:
        # A terminal that was closed, or a reader that went away, is no reason to stop trading.
        with suppress(OSError, ValueError):
            self._out.write(text)
            self._out.flush()


def colour(text: str, code: str, *, is_seen: bool) -> str:
    """Return the text in a colour (an SGR code), unchanged where colours are not seen."""
    return f"\x1b[{code}m{text}\x1b[0m" if is_seen else text


def table(head: list[str], rows: list[list[str]], right: frozenset[int] = frozenset()) -> str:
    """Return rows in columns under a head; the columns numbered in `right` are set to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(row: list[str]) -> str:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join(line(row) for row in [head, *rows])
