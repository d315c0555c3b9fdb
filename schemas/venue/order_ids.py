"""Client order ids: fixed width, derived from the grid slot; no clock and no randomness.

    sqt k3f9a 01 m00002 B 00000c      (without the spaces)
     |    |    |    |    |   cycle of the slot: grows when an order has ended
     |    |    |    |    side: B or S
     |    |    |    price level: p for plus or m for minus, then five base-36 digits
     |    |    generation: grows each time the symbol is added
     |    hash of the symbol
     instance: the installation

23 characters of `[A-Za-z0-9]`, accepted by every venue. An order that was already sent is recognised after a restart
because the same slot and cycle give the same id.
"""

import hashlib
import re
from typing import NamedTuple

from schemas.units import ClientOrderId, Side, Symbol

MAX_LEVEL = 36**5 - 1
"""The level farthest from the anchor, in either direction, that fits into an id."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_INSTANCE = re.compile(r"[a-z0-9]{3}\Z")
_ID = re.compile(
    r"(?P<instance>[a-z0-9]{3})(?P<code>[a-z0-9]{5})(?P<generation>[a-z0-9]{2})"
    r"(?P<sign>[pm])(?P<level>[a-z0-9]{5})(?P<side>[BS])(?P<cycle>[a-z0-9]{6})\Z"
)


class OrderIdParts(NamedTuple):
    """The parts of a client order id."""

    instance: str
    code: str
    generation: int
    level: int
    side: Side
    cycle: int


def symbol_code(symbol: Symbol) -> str:
    """Return the five-character hash of a symbol. Two symbols with equal codes cannot be traded together."""
    number = int.from_bytes(hashlib.sha256(symbol.encode("utf-8")).digest()[:8], "big")
    return _base36(number % 36**5, 5)


def order_id(
    instance: str, symbol: Symbol, generation: int, level: int, side: Side, cycle: int
) -> ClientOrderId:
    """Return the client order id for a slot and cycle.

    Raises: ValueError when the instance is not three characters of `[a-z0-9]` or a number does not fit its width.
    """
    if not _INSTANCE.match(instance):
        raise ValueError(f"the instance must be three characters of [a-z0-9]: {instance!r}")
    sign = "m" if level < 0 else "p"
    letter = "B" if side is Side.BUY else "S"
    return ClientOrderId(
        f"{instance}{symbol_code(symbol)}{_base36(generation, 2)}"
        f"{sign}{_base36(abs(level), 5)}{letter}{_base36(cycle, 6)}"
    )


def instance_of(number: int) -> str:
    """Return the instance that a random number draws: three characters of `[a-z0-9]`."""
    return _base36(number % 36**3, 3)


def parse_order_id(text: str) -> OrderIdParts | None:
    """Return the parts of an id, or None when it does not have the format of `order_id`."""
    match = _ID.match(text)
    if match is None:
        return None
    level = int(match["level"], 36)
    return OrderIdParts(
        instance=match["instance"],
        code=match["code"],
        generation=int(match["generation"], 36),
        level=-level if match["sign"] == "m" else level,
        side=Side.BUY if match["side"] == "B" else Side.SELL,
        cycle=int(match["cycle"], 36),
    )


def is_own_order_id(text: str, instance: str, symbol: Symbol) -> bool:
    """Return whether the id belongs to this instance and symbol, in any generation."""
    parts = parse_order_id(text)
    return parts is not None and parts.instance == instance and parts.code == symbol_code(symbol)


def _base36(number: int, width: int) -> str:
    if not 0 <= number < 36**width:
        raise ValueError(f"{number} does not fit into {width} base-36 digits")
    digits = ""
    for _ in range(width):
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits
