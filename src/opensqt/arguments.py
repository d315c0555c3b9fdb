"""The values that options take, and what is said of one that will not do."""

import argparse
from typing import Any


def port(text: str) -> int:
    """Return a port; 0 is any free one."""
    return _parsed("whole", text, 0, 65535)


def count(text: str) -> int:
    """Return a number of processes."""
    return _parsed("whole", text, 1, 64)


def duration(text: str) -> int:
    """Return nanoseconds."""
    return _parsed("duration", text)


def _parsed(kind: str, text: str, *bounds: int) -> int:
    from opensqt import units

    try:
        return units.whole(*bounds)(text) if kind == "whole" else units.duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from None


def speed(text: str) -> float | str:
    """Return how many times as fast, or `max`."""
    if text == "max":
        return text
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1_000_000:
        raise argparse.ArgumentTypeError(f"has to be a number above 0, or max, not {text!r}")
    return speed


def symbol(text: str) -> Any:
    """Return a symbol, also from how subjects write it."""
    from schemas.subjects import unescape

    return text if "/" in text else unescape(text)
