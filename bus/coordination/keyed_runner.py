"""Run a coroutine for each key while its lease is held; a failed one is restarted without the others."""

import asyncio
from collections.abc import Callable

from bus.backoff import Backoff
from bus.coordination.lease import Lease, LeaseProvider, Work
from bus.errors import BusError, Fenced
from bus.log import Logger
from bus.service.lifecycle import flatten_errors

RETRY_S = 0.2
MAX_RETRY_S = 5.0
HEALTHY_S = 30.0
"""Work that failed after running longer than this is restarted with the first delay again."""

OnFailure = Callable[[Exception], None]


class KeyedRunner:
    """Runs the work of each key that was started, while this process holds the lease of the key.

    Work that fails releases its lease, and is restarted after a back-off: another process may take the key meanwhile.
    Work whose lease is lost is canceled, and waits for the lease again. Work that returns is finished.
    """

    def __init__(self, name: str, leases: LeaseProvider, log: Logger) -> None:
        """`name` prefixes the names of the tasks: `symbol` gives `symbol:sim.BTC-USDT_USDT`."""
        self._name = name
        self._leases = leases
        self._log = log
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._held: dict[str, Lease] = {}

    def start(self, tasks: asyncio.TaskGroup, key: str, work: Work, on_failure: OnFailure) -> None:
        """Run `work` for a key until it returns or `stop` is called. It starts when earlier work of the key has ended.

        `on_failure` receives the cause of each failure; it logs it.
        """
        earlier = [task for task in self._tasks.get(key, ()) if not task.done()]
        task = tasks.create_task(self._run(key, work, on_failure, earlier), name=f"{self._name}:{key}")
        self._tasks[key] = [*earlier, task]

    def stop(self, key: str) -> None:
        """Cancel the work of a key; its lease is released when the work has ended."""
        if (lease := self._held.get(key)) is not None:
            lease.lost.set()
        if tasks := self._tasks.get(key):
            tasks[-1].cancel()  # earlier ones are canceled already, and must not be disturbed as they end

    def holder_text(self, key: str, *, is_running: bool) -> str:
        """Return for /status where a key is worked on: `running here`, `held by NAME`, or `waiting` for a lease."""
        if is_running:
            return "running here"
        return f"held by {self._leases.holder(key)}" if self.is_elsewhere(key) else "waiting"

    def is_elsewhere(self, key: str) -> bool:
        """Return whether another process holds the lease of a key."""
        return self._leases.holder(key) not in (None, self._leases.name)

    async def _run(
        self, key: str, work: Work, on_failure: OnFailure, earlier: list[asyncio.Task[None]]
    ) -> None:
        if earlier:
            await asyncio.wait(earlier)
        clock = asyncio.get_running_loop().time
        backoff = Backoff(RETRY_S, MAX_RETRY_S)
        started = clock()
        is_finished = False

        async def hold(lease: Lease) -> None:
            nonlocal started, is_finished
            started = clock()
            is_finished = await self._hold(key, work, lease)

        while not is_finished:
            try:
                await self._leases.run_while_held(key, hold)
            except Exception as error:
                on_failure(root_cause(error))
                if is_cancelling():  # it failed at the moment of the cancellation, which it replaced
                    raise asyncio.CancelledError from error
                if clock() - started > HEALTHY_S:
                    backoff.reset()
                await backoff.wait()

    async def _hold(self, key: str, work: Work, lease: Lease) -> bool:
        self._held[key] = lease
        try:
            await work(lease)
        except Exception as error:
            if not is_cancelling():
                raise
            cause = root_cause(error)
            self._log.error("failed_while_stopping", key=key, detail=repr(cause), exception=cause)
            raise asyncio.CancelledError from error
        finally:
            del self._held[key]
        return True


def is_cancelling() -> bool:
    """Return whether the current task is being canceled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def root_cause(error: Exception) -> Exception:
    """Return the error to report of a group: our own before Fenced, and Fenced before other errors of the bus."""
    causes = flatten_errors(error)
    ours = [cause for cause in causes if not isinstance(cause, BusError)]
    fenced = [cause for cause in causes if isinstance(cause, Fenced)]
    return (ours or fenced or causes)[0]
