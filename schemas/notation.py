"""Parse and format values as written in configuration files and commands: `30 USDT`, `0.2%`, `5s`.

Every parser raises ValueError with the expected format.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, TypeVar

from schemas.units import DurationNs, Money, Ratio

Choice = TypeVar("Choice", bound=StrEnum)

DURATION_NS: dict[str, DurationNs] = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60 * 1_000_000_000,
    "h": 3_600 * 1_000_000_000,
    "d": 86_400 * 1_000_000_000,
}
_NUMBER = r"[0-9]{1,18}(?:_[0-9]{1,18}){0,4}(?:\.[0-9]{1,18})?"
_DECIMAL = re.compile(rf"-?{_NUMBER}\Z")
_AMOUNT = re.compile(rf"(?P<value>{_NUMBER})\s*(?P<currency>[A-Z][A-Z0-9]{{1,14}})\Z")
_RATIO = re.compile(rf"(?P<value>-?{_NUMBER})\s*%\Z")
_DURATION = re.compile(rf"(?P<value>{_NUMBER})\s*(?P<unit>ms|s|m|h|d)\Z")
SIZE_BYTES = {"MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
_SIZE = re.compile(rf"(?P<value>{_NUMBER})\s*(?P<unit>{'|'.join(SIZE_BYTES)})\Z")
_WHOLE = re.compile(r"-?[0-9]{1,18}\Z")


class Amount(NamedTuple):
    """Money with its currency: `30 USDT`."""

    value: Money
    currency: str

    def __str__(self) -> str:
        return f"{self.value:f} {self.currency}"


def decimal(text: str) -> Decimal:
    """Parse a number without a unit: `0.001`."""
    if not _DECIMAL.match(text):
        raise ValueError("has to be a plain number, like 0.001")
    return Decimal(text)


def positive(text: str) -> Decimal:
    """Parse a number above zero, without a unit."""
    value = decimal(text)
    if value <= 0:
        raise ValueError("has to be above 0")
    return value


def whole(minimum: int, maximum: int = 10**9) -> Callable[[str], int]:
    """Return a parser for integers from `minimum` to `maximum`, inclusive."""

    def parse(text: str) -> int:
        if not _WHOLE.match(text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"has to be a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def amount(text: str) -> Amount:
    """Parse a non-negative amount of money with its currency: `30 USDT`."""
    match = _AMOUNT.match(text)
    if match is None:
        raise ValueError("has to be an amount with its currency, like 30 USDT")
    return Amount(Decimal(match["value"]), match["currency"])


def signed_ratio(text: str) -> Ratio:
    """Parse a percentage, which may be negative, into a fraction: `0.2%` is 0.002."""
    match = _RATIO.match(text)
    if match is None:
        raise ValueError("has to be a percentage, like 0.2%")
    return (Decimal(match["value"]) / 100).normalize() + 0


def ratio(text: str) -> Ratio:
    """Parse a non-negative percentage into a fraction."""
    value = signed_ratio(text)
    if value < 0:
        raise ValueError("must not be negative")
    return value


def probability(text: str) -> float:
    """Parse a percentage from 0% to 100% into a probability from 0 to 1."""
    value = ratio(text)
    if value > 1:
        raise ValueError("has to be between 0% and 100%")
    return float(value)


def duration(text: str) -> DurationNs:
    """Parse a duration into nanoseconds: `500ms`, `5s`, `1.5h`."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"has to be a duration with its unit ({', '.join(DURATION_NS)}), like 5s or 500ms")
    return int(Decimal(match["value"]) * DURATION_NS[match["unit"]])


def size(text: str) -> int:
    """Parse an amount of memory or disk space into bytes: `512MiB`, `20GiB`."""
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(f"has to be a size with its unit ({', '.join(SIZE_BYTES)}), like 512MiB or 20GiB")
    return int(Decimal(match["value"]) * SIZE_BYTES[match["unit"]])


def flag(text: str) -> bool:
    """Parse `true` or `false`."""
    if text not in {"true", "false"}:
        raise ValueError("has to be true or false")
    return text == "true"


def choice(kind: type[Choice]) -> Callable[[str], Choice]:
    """Return a parser for the values of an enum."""

    def parse(text: str) -> Choice:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"has to be {' or '.join(kind)}") from None

    return parse


def word(text: str) -> str:
    """Return the text, which must not be empty."""
    if not text:
        raise ValueError("must not be empty")
    return text


def percent_text(value: Ratio) -> str:
    """Format a fraction as a percentage: 0.002 is `0.2%`."""
    return f"{(value * 100).normalize():f}%"


def duration_text(value: DurationNs) -> str:
    """Format a duration in the largest unit that gives a whole number: `90s`, `2h`, `1500ms`."""
    if not value:
        return "0s"
    unit = next((name for name, size in reversed(DURATION_NS.items()) if value % size == 0), None)
    if unit is None:
        return f"{(Decimal(value) / DURATION_NS['ms']).normalize():f}ms"
    return f"{value // DURATION_NS[unit]}{unit}"
