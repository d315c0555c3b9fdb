"""Client order ids: fixed-width, made of what the slot knows, without clock or chance.

`sqt` `k3f9a` `01` `m00002` `B` `00000c`: instance, symbol code, generation, level, side, cycle; 23 characters of
`[A-Za-z0-9]`, which every venue takes.
"""

import hashlib
import re
from typing import NamedTuple

from schemas.units import ClientOrderId, Side, Symbol

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_INSTANCE = re.compile(r"[a-z0-9]{3}\Z")
_ID = re.compile(
    r"(?P<instance>[a-z0-9]{3})(?P<code>[a-z0-9]{5})(?P<generation>[a-z0-9]{2})"
    r"(?P<sign>[pm])(?P<level>[a-z0-9]{5})(?P<side>[BS])(?P<cycle>[a-z0-9]{6})\Z"
)


class OrderName(NamedTuple):
    """What an id of ours says."""

    instance: str
    code: str
    generation: int
    level: int
    side: Side
    cycle: int


def symbol_code(symbol: Symbol) -> str:
    """Return five characters for a symbol. The roster refuses two symbols with the same."""
    number = int.from_bytes(hashlib.sha256(symbol.encode("utf-8")).digest()[:8], "big")
    return _base36(number % 36**5, 5)


def order_id(
    instance: str, symbol: Symbol, generation: int, level: int, side: Side, cycle: int
) -> ClientOrderId:
    """Return the id of the order that a slot sends in a cycle.

    Raises: ValueError when the instance is not three of `[a-z0-9]` or a number does not fit.
    """
    if not _INSTANCE.match(instance):
        raise ValueError(f"an instance is three of [a-z0-9]: {instance!r}")
    sign = "m" if level < 0 else "p"
    letter = "B" if side is Side.BUY else "S"
    return ClientOrderId(
        f"{instance}{symbol_code(symbol)}{_base36(generation, 2)}"
        f"{sign}{_base36(abs(level), 5)}{letter}{_base36(cycle, 6)}"
    )


def parse_order_id(text: str) -> OrderName | None:
    """Return what an id says, or None when it has not the form of ours."""
    match = _ID.match(text)
    if match is None:
        return None
    level = int(match["level"], 36)
    return OrderName(
        instance=match["instance"],
        code=match["code"],
        generation=int(match["generation"], 36),
        level=-level if match["sign"] == "m" else level,
        side=Side.BUY if match["side"] == "B" else Side.SELL,
        cycle=int(match["cycle"], 36),
    )


def is_ours(text: str, instance: str, symbol: Symbol) -> bool:
    """Tell whether an id was made by this instance for this symbol, in any generation."""
    name = parse_order_id(text)
    return name is not None and name.instance == instance and name.code == symbol_code(symbol)


def _base36(number: int, width: int) -> str:
    if not 0 <= number < 36**width:
        raise ValueError(f"{number} does not fit into {width} base-36 digits")
    digits = ""
    for _ in range(width):
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits
