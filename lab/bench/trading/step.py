"""Steps, reports and copies as a run leaves them behind, made by the core itself from the benchmarks' random walk."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from engine.core.grid import Grid
from engine.core.step import Change
from lab.bench.trading.engine import SYMBOL, VENUE, events
from schemas.engine.journal import Input, Step, StreamOffset
from schemas.grid.state import GridState

WARM_UP_TICKS = 500


class Happened(NamedTuple):
    """One input of the core, and what it led to."""

    event: Input
    change: Change | None
    state: GridState | None
    """The grid's own: to be encoded before the next one is taken."""


def history(ticks: int, seed: int = 1) -> Iterator[Happened]:
    """Yield what a grid hears over so many ticks, and what it makes of it."""
    grid = Grid(None, 0)
    for event in events(ticks, seed):
        change = grid.process((event,))
        yield Happened(event, change, grid.state)


def step_of(
    change: Change, state: GridState, offsets: dict[str, StreamOffset], published_through: int
) -> Step:
    """Return the record of a change, as an engine commits it."""
    return Step(
        venue=VENUE,
        symbol=SYMBOL,
        step=change.step,
        epoch=1,
        offsets=offsets,
        causes=change.causes,
        state=state,
        decisions=change.decisions,
        fills=change.fills,
        notices=change.notices,
        published_through=published_through,
        time=change.time,
    )


@lru_cache(maxsize=1)
def genuine_step() -> Step:
    """Return a step from the midst of trading."""
    newest: Happened | None = None
    for happened in history(WARM_UP_TICKS):
        if happened.change is not None and happened.change.decisions:
            newest = happened
    assert newest is not None
    assert newest.change is not None
    assert newest.state is not None
    return step_of(newest.change, newest.state, {}, 0)
