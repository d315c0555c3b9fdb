"""The second Ctrl-C: end at once, and say what was skipped."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Killable(Protocol):
    """A process that can be ended at once."""

    @property
    def pid(self) -> int | None: ...

    def kill(self) -> None: ...


@contextmanager
def ended_at_once_by_second_signal(
    processes: Mapping[str, Killable], report: Callable[[str], None]
) -> Iterator[None]:
    """Leave the first SIGINT or SIGTERM to the handlers in place; at the second, kill `processes`, report, and exit.

    `processes` are by name, and may be added meanwhile. The exit code is that of a shell: 130 for SIGINT.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    count = 0

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count > 1:
            report(_kill(processes))
            os._exit(128 + number)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in SIGNALS:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kill(processes: Mapping[str, Killable]) -> str:
    running = [name for name, process in processes.items() if process.pid is not None]
    for name in running:
        processes[name].kill()
    if not running:
        return "stopped; all parts had ended"
    return (
        f"stopped at once: killed {', '.join(running)}, which had not ended yet. Orders that were not canceled yet "
        "stay at the venue; the next start takes them over"
    )
