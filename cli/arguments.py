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
    from cli import units

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


def price(text: str) -> Any:
    """Return a price above zero."""
    from cli import units

    try:
        return units.positive(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from None


def symbol(text: str) -> Any:
    """Return a symbol, also from how subjects write it; `_all` is every symbol of a venue."""
    from schemas.subjects import ALL, unescape

    try:
        return text if "/" in text or text == ALL else unescape(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no symbol") from None


def setting(text: str) -> tuple[str, str]:
    """Return the name and the value of a setting."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"has to be name=value, like 'order_amount=40 USDT', not {text!r}")
    return name, value
