"""Work that goes on beside something, and ends with it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def beside(work: Coroutine[object, object, T], name: str) -> AsyncIterator[asyncio.Task[T]]:
    """Run `work` for as long as the context lasts at most; what it raised is raised at the end."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()
