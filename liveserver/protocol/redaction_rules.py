"""Rules of redaction: what public viewers see of a value."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from liveserver.protocol.pseudonyms import PseudonymFunction
from schemas.grid.view import NotQuoting
from schemas.reasons.table import explain

MILLIONTH = Decimal("0.000001")
HUNDREDTH = Decimal("0.01")

Rule = Callable[[Any, Any, PseudonymFunction], Any]
"""Returns the public form of a value; the second argument is the struct that it is a field of.

An empty text stands for a hidden amount.
"""


def keep(value: Any, of: Any, pseudonym: PseudonymFunction) -> Any:
    return value


def hide(value: Any, of: Any, pseudonym: PseudonymFunction) -> Any:
    return None if value is None else ""


def hide_none(value: Any, of: Any, pseudonym: PseudonymFunction) -> None:
    return None


def hide_amounts(value: Any, of: Any, pseudonym: PseudonymFunction) -> Any:
    return dict.fromkeys(value, "")


def hide_figures(value: Any, of: Any, pseudonym: PseudonymFunction) -> dict[str, str]:
    return {}


def explain_blocked(value: Any, of: Any, pseudonym: PseudonymFunction) -> Any:
    """Return the sentence of the reason, without the names and addresses of parts."""
    return explain(NotQuoting(of.blocked)).sentence if of.blocked in tuple(NotQuoting) else ""


def pseudonymize(value: Any, of: Any, pseudonym: PseudonymFunction) -> Any:
    return pseudonym(value) if value else value


def pseudonymize_each(value: Any, of: Any, pseudonym: PseudonymFunction) -> Any:
    return tuple(pseudonym(item) for item in value)


def turnover_share(value: Any, of: Any, pseudonym: PseudonymFunction) -> Any:
    """Return an amount as a share of the grid's traded volume."""
    return None if value is None else _share(value, of.volume, MILLIONTH)


def worth_share(value: Any, of: Any, pseudonym: PseudonymFunction) -> Any:
    """Return an amount of a trade as a share of the trade's value."""
    if value is None:
        return None
    price, amount = _decimal(of.price), _decimal(of.amount)
    return "" if price is None or amount is None else _share(value, str(price * amount), MILLIONTH)


def filled_share(value: Any, of: Any, pseudonym: PseudonymFunction) -> Any:
    """Return the filled quantity as a share of the order's."""
    return _share(value, of.quantity, HUNDREDTH)


def _share(value: str, of: str | None, step: Decimal) -> str:
    part, whole = _decimal(value), None if of is None else _decimal(of)
    if part is None or whole is None:
        return ""
    if not whole:
        return "0"
    try:
        share = (part / whole).quantize(step, ROUND_HALF_EVEN)
    except InvalidOperation:
        return ""  # too large to be a share
    return format(share.normalize() + 0, "f")


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
