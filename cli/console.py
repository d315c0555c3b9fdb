"""Console output: lines, a progress line that is redrawn in place, colours and tables."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

PROGRESS_INTERVAL_S = 5.0
"""Interval of progress lines when the output is not a terminal."""


def run_closable(main: Callable[[], int]) -> int:
    """Run a program and return its exit code, 0 if the reader of its output has exited: `opensqt status --json | head`."""
    code = 0
    try:
        try:
            code = main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
    return code


def discard_output() -> None:
    """Discard what is printed from now on, and what is still buffered."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Console:
    """Standard output with a progress line at its end."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self.is_terminal = self._out.isatty()
        self._progress = ""
        self._last_progress_s = 0.0

    def print(self, text: str) -> None:
        """Print a line, above the progress line if there is one."""
        self._erase()
        self._write(f"{text}\n")
        self._draw()

    def progress(self, text: str) -> None:
        """Replace the progress line; without a terminal, print one line every `PROGRESS_INTERVAL_S`."""
        if self.is_terminal:
            self._erase()
            self._progress = text
            self._draw()
        elif time.monotonic() - self._last_progress_s >= PROGRESS_INTERVAL_S:
            self._last_progress_s = time.monotonic()
            self._write(f"{text}\n")

    def end_progress(self) -> None:
        """Erase the progress line."""
        self._erase()
        self._progress = ""

    def _erase(self) -> None:
        if self._progress:
            self._write("\r\x1b[K")

    def _draw(self) -> None:
        if self._progress:
            self._write(self._progress)

    def _write(self, text: str) -> None:
        # A closed terminal or pipe must not stop trading.
        with suppress(OSError, ValueError):
            self._out.write(text)
            self._out.flush()


def colour(text: str, code: str, *, is_enabled: bool) -> str:
    """Return the text in a colour (an SGR code such as "31"), unchanged unless colours are enabled."""
    return f"\x1b[{code}m{text}\x1b[0m" if is_enabled else text


def table(head: list[str], rows: list[list[str]], right: frozenset[int] = frozenset()) -> str:
    """Return rows as aligned columns under a head; `right` lists the indices of right-aligned columns."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(row: list[str]) -> str:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join(line(row) for row in [head, *rows])
