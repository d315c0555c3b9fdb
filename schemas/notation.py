"""Values as people write them: `30 USDT`, `0.2%`, `5s`. Each parser raises ValueError with what to do."""

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
_WHOLE = re.compile(r"-?[0-9]{1,18}\Z")


class Amount(NamedTuple):
    """Money with its currency."""

    value: Money
    currency: str

    def __str__(self) -> str:
        return f"{self.value} {self.currency}"


def decimal(text: str) -> Decimal:
    """Return a plain number, written without a unit."""
    if not _DECIMAL.match(text):
        raise ValueError("has to be a plain number, like 0.001")
    return Decimal(text)


def positive(text: str) -> Decimal:
    """Return a plain number above zero."""
    value = decimal(text)
    if value <= 0:
        raise ValueError("has to be above 0")
    return value


def whole(minimum: int, maximum: int = 10**9) -> Callable[[str], int]:
    """Return a parser of whole numbers within bounds, both included."""

    def parse(text: str) -> int:
        if not _WHOLE.match(text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"has to be a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def amount(text: str) -> Amount:
    """Return an amount of money, not negative, with its currency."""
    match = _AMOUNT.match(text)
    if match is None:
        raise ValueError("has to be an amount with its currency, like 30 USDT")
    return Amount(Decimal(match["value"]), match["currency"])


def signed_ratio(text: str) -> Ratio:
    """Return the fraction that a percentage is: `0.2%` is 0.002. It may be negative."""
    match = _RATIO.match(text)
    if match is None:
        raise ValueError("has to be a percentage, like 0.2%")
    return (Decimal(match["value"]) / 100).normalize() + 0


def ratio(text: str) -> Ratio:
    """Return the fraction that a percentage is, not negative."""
    value = signed_ratio(text)
    if value < 0:
        raise ValueError("must not be negative")
    return value


def probability(text: str) -> float:
    """Return a probability between 0 and 1, written as a percentage."""
    value = ratio(text)
    if value > 1:
        raise ValueError("has to be between 0% and 100%")
    return float(value)


def duration(text: str) -> DurationNs:
    """Return a length of time in nanoseconds."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"has to be a duration with its unit ({', '.join(DURATION_NS)}), like 5s or 500ms")
    return int(Decimal(match["value"]) * DURATION_NS[match["unit"]])


def flag(text: str) -> bool:
    """Return true or false."""
    if text not in {"true", "false"}:
        raise ValueError("has to be true or false")
    return text == "true"


def choice(kind: type[Choice]) -> Callable[[str], Choice]:
    """Return a parser of an enumeration's values."""

    def parse(text: str) -> Choice:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"has to be {' or '.join(kind)}") from None

    return parse


def word(text: str) -> str:
    """Return a text that is not empty."""
    if not text:
        raise ValueError("must not be empty")
    return text


def percent_text(value: Ratio) -> str:
    """Return a fraction as people write it."""
    return f"{(value * 100).normalize():f}%"


def duration_text(value: DurationNs) -> str:
    """Return a length of time as people write it: in the largest unit that it is a whole number of."""
    if not value:
        return "0s"
    unit = next((name for name, size in reversed(DURATION_NS.items()) if value % size == 0), None)
    if unit is None:
        return f"{(Decimal(value) / DURATION_NS['ms']).normalize():f}ms"
    return f"{value // DURATION_NS[unit]}{unit}"
