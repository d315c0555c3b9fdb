"""Whether everything works again: each symbol quotes, and no part has a problem."""

from collections.abc import Iterable

from lab.simulation.oracles.records import RecordWatch
from lab.simulation.oracles.venue import VenueWatch
from lab.simulation.world.world import World
from schemas import subjects
from schemas.codec import try_decode
from schemas.engine.journal import SymbolEntry
from schemas.grid.view import GridView, NotQuoting
from schemas.parts import PartHeartbeat
from schemas.units import SECOND_NS

LIVE_WITHIN_S = 120.0
"""Simulated seconds after the last fault within which every symbol quotes and every part is well."""
HEARTBEAT_WITHIN_NS = 10 * SECOND_NS
BY_MARKET = frozenset(
    {
        NotQuoting.BREAKER_OPEN,
        NotQuoting.BREAKER_HALF_OPEN,
        NotQuoting.MARKET_RISK,
        NotQuoting.WINDOW_FULL,
        NotQuoting.WOULD_CROSS,
        NotQuoting.EXPOSURE_LIMIT,
        NotQuoting.GLOBAL_BREAKER,
        NotQuoting.COOL_DOWN,
        NotQuoting.MARGIN_LOCKED,
    }
)
"""Reasons that the market's course and the limits give, however well the parts are."""


def not_live(
    world: World, records: RecordWatch, venue: VenueWatch, *, stopped: Iterable[str] = ()
) -> list[str]:
    """Return what does not work at this instant; the symbols in `stopped` need not quote."""
    found = [
        f"{entry.symbol}: {text}"
        for entry in world.settings.configuration.symbols
        if entry.symbol not in stopped and (text := _not_quoting(world, entry, venue))
    ]
    return found + _unwell(world)


def _not_quoting(world: World, entry: SymbolEntry, venue: VenueWatch) -> str:
    view = try_decode(_newest(world, "JOURNAL", subjects.grid(entry.venue, entry.symbol)), GridView)
    if view is None:
        return "no grid was published"
    if view.not_quoting is not None and view.not_quoting not in BY_MARKET:
        return f"not quoting: {view.not_quoting} {view.not_quoting_detail}"
    if view.not_quoting is None and not venue.open_orders(entry.symbol):
        return "no order is open at the venue"
    return ""


def _unwell(world: World) -> list[str]:
    """Return the parts that are silent or name a problem."""
    found, now = [], world.loop.true_time_ns()
    for name in world.parts:
        kind = name.partition("-")[0]
        if kind in {"bus", "venue"}:
            continue
        beat = try_decode(_newest(world, "PARTS", subjects.part(kind, name)), PartHeartbeat)
        if beat is None or abs(now - beat.time) > HEARTBEAT_WITHIN_NS * world.settings.pace:
            found.append(f"{name} sends no heartbeat")
        else:
            found += [f"{name}: {problem}" for problem in beat.problems]
    return found


def _newest(world: World, stream: str, subject: str) -> bytes:
    found = world.model.streams.get(stream)
    stored = found.store.load_last(subject) if found is not None else None
    return stored.data if stored is not None else b""
