"""Background tasks for single viewers. A failure closes one connection only."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from bus import Logger
from liveserver.hub.group import CloseCode, Viewer


class BackgroundTasks:
    """Tasks that are canceled, and awaited, when the context is left."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, viewer: Viewer, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a coroutine for a viewer; if it raises, the viewer is disconnected."""
        task = asyncio.create_task(self._run(viewer, work, name), name=name)
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

    async def _run(self, viewer: Viewer, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - a failure for one viewer must not end the server
            self._log.error("background_task_failed", task=name, detail=repr(error))
            viewer.close(CloseCode.INTERNAL_ERROR, "internal error; connect again")
