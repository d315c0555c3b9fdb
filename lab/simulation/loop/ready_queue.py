"""The order of the callbacks that a process runs next."""

import asyncio
import random
from collections import deque


def shuffle_steps(ready: deque[asyncio.Handle], draw: random.Random) -> None:
    """Permute the steps of tasks that are next to each other; other callbacks keep their place in the order."""
    found: list[asyncio.Handle] = []
    steps: list[asyncio.Handle] = []
    for handle in ready:
        if isinstance(getattr(getattr(handle, "_callback", None), "__self__", None), asyncio.Task):
            steps.append(handle)
        else:
            if len(steps) > 1:
                draw.shuffle(steps)
            found += steps
            found.append(handle)
            steps = []
    if len(steps) > 1:
        draw.shuffle(steps)
    ready.clear()
    ready.extend(found + steps)
