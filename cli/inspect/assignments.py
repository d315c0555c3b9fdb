"""Assignments of symbols to engines and gateways, read from the `/status` of each process."""

from collections.abc import Mapping, Sequence

import aiohttp
import msgspec

from schemas.engine.assignment import Assignment

SHARING_PARTS = ("engine", "gateway")
"""Parts whose processes divide the symbols among themselves; also the component of `/status` that lists them."""


class SymbolAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one symbol in one process."""

    part: str
    """`engine` or `gateway`."""
    name: str
    """Name of the process, such as `engine-1`."""
    symbol: str
    """Registry key or symbol, as the process reports it."""
    standing: str
    """`running here`, `held by NAME`, `waiting`, `quarantined`."""
    problem: str | None = None


class _SymbolStatus(msgspec.Struct, frozen=True):
    standing: str = ""
    problem: str | None = None


class _ComponentStatus(msgspec.Struct, frozen=True):
    name: str = ""
    symbols: Mapping[str, _SymbolStatus] = {}


async def fetch_assignments(
    part: str, address: str, session: aiohttp.ClientSession
) -> list[SymbolAssignment]:
    """Return the assignments that a process reports; none for other parts and for one that does not answer."""
    if part not in SHARING_PARTS or not address:
        return []
    try:
        async with session.get(f"{address}/status") as response:
            components = msgspec.json.decode(await response.read(), type=dict[str, msgspec.Raw])
        component = msgspec.json.decode(components.get(part) or b"{}", type=_ComponentStatus)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError):
        return []
    return [
        SymbolAssignment(
            part=part, name=component.name, symbol=symbol, standing=each.standing, problem=each.problem
        )
        for symbol, each in component.symbols.items()
    ]


def engine_label(key: str, assignments: Sequence[SymbolAssignment]) -> str:
    """Return the name of the engine that runs a symbol; else `waiting`, or `-` when no engine knows it."""
    of_symbol = [each for each in assignments if each.part == "engine" and each.symbol == key]
    for standing, label in ((Assignment.RUNNING, "{}"), (Assignment.QUARANTINED, "{}, quarantined")):
        for each in of_symbol:
            if each.standing == standing:
                return label.format(each.name)
    return "waiting" if of_symbol else "-"
