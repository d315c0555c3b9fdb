"""Replay the causes of a stored step, in the evaluations in which they were applied."""

from engine.core.grid import Grid
from engine.core.step import Change
from schemas.engine.journal import Step


def replay(grid: Grid, step: Step) -> Change | None:
    """Apply the causes of a step to a grid in the state before it; return the step they make, None when they make none."""
    starts = (0, *step.boundaries)
    ends = (*step.boundaries, len(step.causes))
    for start, end in zip(starts[:-1], ends[:-1], strict=True):
        if grid.process(step.causes[start:end], may_hold=True) is not None:
            return None
    last = step.causes[starts[-1] :]
    return grid.process(last, may_hold=not _has_output(step)) or grid.release_held()


def _has_output(step: Step) -> bool:
    return bool(step.decisions or step.fills or step.notices)
