"""Who runs which symbol: what the engines and gateways say of themselves, put side by side."""

from collections.abc import Mapping, Sequence

import aiohttp
import msgspec

SHARING = ("engine", "gateway")
"""The parts that share symbols, and the component of their status that says how."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a symbol is in one process."""

    part: str
    """`engine` or `gateway`."""
    name: str
    """The process, as its likes know it."""
    symbol: str
    """As the process calls it: the registry's key, or the symbol."""
    standing: str
    """`running here`, `held by NAME`, `waiting`, `quarantined`."""
    problem: str | None = None


class _Symbol(msgspec.Struct, frozen=True):
    standing: str = ""
    problem: str | None = None


class _Component(msgspec.Struct, frozen=True):
    name: str = ""
    symbols: Mapping[str, _Symbol] = {}


async def standings_of(part: str, address: str, session: aiohttp.ClientSession) -> list[Standing]:
    """Return what a part says of its symbols; nothing for a part that shares none or does not answer."""
    if part not in SHARING or not address:
        return []
    try:
        async with session.get(f"{address}/status") as answer:
            said = msgspec.json.decode(await answer.read(), type=dict[str, msgspec.Raw]).get(part)
        component = msgspec.json.decode(said or b"{}", type=_Component)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError):
        return []
    return [
        Standing(part=part, name=component.name, symbol=symbol, standing=one.standing, problem=one.problem)
        for symbol, one in component.symbols.items()
    ]


def engine_of(key: str, standings: Sequence[Standing]) -> str:
    """Return who runs a symbol, for people: the engine, or why none does."""
    here = [one for one in standings if one.part == "engine" and one.symbol == key]
    for wanted, text in (("running here", "{}"), ("quarantined", "{}, quarantined")):
        for one in here:
            if one.standing == wanted:
                return text.format(one.name)
    return "waiting" if here else "-"
