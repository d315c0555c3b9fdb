"""Work for single viewers that takes a while: it ends with the server, and a fault in it harms nobody else."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from bus import Logger
from liveserver.hub.group import CloseCode, Viewer


class BackgroundTasks:
    """Tasks that are cancelled on leaving."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, viewer: Viewer, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Have something done for a viewer beside everything else; if it fails, the viewer has to connect again."""
        task = asyncio.create_task(self._do(viewer, work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _do(self, viewer: Viewer, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - one viewer's errand must not end the server
            self._log.error("errand_failed", errand=name, detail=repr(error))
            viewer.close(CloseCode.INTERNAL_ERROR, "something failed here; connect again")
