"""Assignments of symbols to engines and gateways, read from the `/status` of each process.

A part is a kind of process of the stack, such as `engine`; several processes of a part divide the symbols.
"""

from collections.abc import Mapping, Sequence

import aiohttp
import msgspec

from schemas.codec import INVALID_JSON
from schemas.engine.assignment import Assignment

SHARDED_PARTS = ("engine", "gateway")
"""Parts whose processes divide the symbols. Each lists its symbols in `/status` under the key of the same name:

    {"engine": {"name": "engine-1", "symbols": {"sim.BTC-USDT_USDT": {"standing": "running here"}}}}
"""


class SymbolAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one symbol in one process."""

    part: str
    """`engine` or `gateway`."""
    name: str
    """Name of the process, such as `engine-1`."""
    symbol: str
    """An engine reports the registry key (`sim.BTC-USDT_USDT`), a gateway the symbol (`BTC/USDT:USDT`)."""
    standing: str
    """The state of the symbol in this process: `running here`, `held by NAME`, `waiting`, or `quarantined`
    (an engine has stopped the symbol after repeated failures)."""
    problem: str | None = None
    """Error text of a symbol that cannot run or is stopped."""


class _SymbolStatus(msgspec.Struct, frozen=True):
    standing: str = ""
    problem: str | None = None


class _PartStatus(msgspec.Struct, frozen=True):
    name: str = ""
    symbols: Mapping[str, _SymbolStatus] = {}


async def fetch_assignments(
    part: str, address: str, session: aiohttp.ClientSession
) -> list[SymbolAssignment]:
    """Return the assignments that a process of a part reports at `address` (`http://127.0.0.1:8001`).

    Returns none for a part that is not sharded, and for a process that does not answer or answers something else.
    """
    if part not in SHARDED_PARTS or not address:
        return []
    try:
        async with session.get(f"{address}/status") as response:
            status = msgspec.json.decode(await response.read(), type=dict[str, msgspec.Raw])
        part_status = msgspec.json.decode(status.get(part) or b"{}", type=_PartStatus)
    except (aiohttp.ClientError, TimeoutError, OSError, *INVALID_JSON):
        return []
    return [
        SymbolAssignment(
            part=part, name=part_status.name, symbol=symbol, standing=each.standing, problem=each.problem
        )
        for symbol, each in part_status.symbols.items()
    ]


def engine_label(registry_key: str, assignments: Sequence[SymbolAssignment]) -> str:
    """Return the name of the engine that runs a symbol, or `NAME, quarantined`.

    Else `waiting`, when engines know the symbol but none reports that it runs or quarantines it (the one that does may
    not have answered), or `-`, when no engine that answered knows it.
    """
    of_symbol = [each for each in assignments if each.part == "engine" and each.symbol == registry_key]
    for standing, label in ((Assignment.RUNNING, "{}"), (Assignment.QUARANTINED, "{}, quarantined")):
        for each in of_symbol:
            if each.standing == standing:
                return label.format(each.name)
    return "waiting" if of_symbol else "-"
