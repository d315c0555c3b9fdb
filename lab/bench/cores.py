"""Which core does what: the server that is measured has one to itself, everything else takes the others."""

import contextlib
import os
import sys
from collections.abc import Iterator, Set

_ALL = (
    frozenset(os.sched_getaffinity(0)) if sys.platform == "linux" else frozenset(range(os.cpu_count() or 1))
)
SERVER = frozenset(sorted(_ALL)[:1])
OTHERS = _ALL - SERVER or SERVER


@contextlib.contextmanager
def on(cores: Set[int]) -> Iterator[None]:
    """Run on these cores, and so does what is started meanwhile; only Linux can do that."""
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
