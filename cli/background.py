"""Run a coroutine as the main task of the process, or in the background of another one."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from cli.console import discard_output
from cli.errors import CommandError

T = TypeVar("T")


@asynccontextmanager
async def background_task(work: Coroutine[object, object, T], name: str) -> AsyncIterator[asyncio.Task[T]]:
    """Run `work` until it returns or the context ends, which cancels it.

    Raises: at the end of the context, the exception that `work` raised, unless the context raised one itself.
    """
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def run_main(
    command: Callable[[], Coroutine[Any, Any, int]], *, is_quiet: bool = False, interrupted: int = 0
) -> int:
    """Run a command on the event loop and return its exit code; `interrupted` after SIGINT or SIGTERM.

    `is_quiet` limits the log to errors, unless OPENSQT_LOG is set. The code is 0 when the reader of standard output has
    exited.
    Raises: CommandError.
    """
    from bus import run
    from schemas.codec import FormatTooNew

    if is_quiet:
        os.environ.setdefault("OPENSQT_LOG", "error")
    results: list[int | CommandError] = []

    async def main() -> None:
        # `run` logs exceptions; a CommandError is for the user and is raised again outside of it.
        try:
            results.append(await command())
        except CommandError as error:
            results.append(error)
        except FormatTooNew as error:
            results.append(CommandError(str(error)))
        except BrokenPipeError:
            discard_output()
            results.append(0)

    code: int = run(main)
    match results:
        case [CommandError() as error]:
            raise error
        case [int() as result]:
            return result
        case _:
            return code or interrupted
