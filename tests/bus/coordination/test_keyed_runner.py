"""Keyed runner: runs work under a lease, restarts it after failures, and stops it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bus import Ambiguous, Fenced, Logger, NoLeases
from bus.coordination import keyed_runner
from bus.coordination.keyed_runner import KeyedRunner, root_cause
from bus.coordination.lease import Lease, Work

LOG = Logger("test")


class OneLease(NoLeases):
    """Gives out leases that the test can take back."""

    def __init__(self) -> None:
        super().__init__("one")
        self.leases: list[Lease] = []

    async def run_while_held(self, key: str, work: Work) -> None:
        async with self.held(key) as lease:
            self.leases.append(lease)
            working = asyncio.create_task(work(lease))
            losing = asyncio.create_task(lease.lost.wait())
            try:
                await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                losing.cancel()
                working.cancel()
                await asyncio.wait({working, losing})
                if not working.cancelled():
                    working.result()


class Job:
    """Work that records its runs, fails with each of `failures`, then waits until it is canceled."""

    def __init__(self, *failures: Exception, on_cancel: Exception | None = None) -> None:
        self.failures = list(failures)
        self.on_cancel = on_cancel
        self.reported: list[Exception] = []
        self.runs = 0
        self.running = 0
        self.has_changed = asyncio.Event()

    async def run(self, lease: Lease) -> None:
        self.runs += 1
        self.running += 1
        self.has_changed.set()
        try:
            if self.failures:
                raise self.failures.pop(0)
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            if self.on_cancel is not None:
                raise self.on_cancel from None
            raise
        finally:
            self.running -= 1
            self.has_changed.set()

    async def until(self, wanted: Callable[["Job"], bool]) -> None:
        async with asyncio.timeout(5):
            while not wanted(self):
                self.has_changed.clear()
                await self.has_changed.wait()


@asynccontextmanager
async def running(leases: NoLeases) -> AsyncIterator[Callable[[Job], KeyedRunner]]:
    runner = KeyedRunner("job", leases, LOG)
    async with asyncio.TaskGroup() as tasks:

        def start(job: Job) -> KeyedRunner:
            runner.start(tasks, "key", job.run, job.reported.append)
            return runner

        yield start
        runner.stop("key")


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_runner, "RETRY_S", 0.01)
    monkeypatch.setattr(keyed_runner, "MAX_RETRY_S", 0.02)


async def test_failed_work_is_reported_and_restarted() -> None:
    job = Job(ValueError("first"), ExceptionGroup("tasks", [Ambiguous("second")]))
    async with running(NoLeases("one")) as start:
        start(job)
        await job.until(lambda job: job.runs == 3 and bool(job.running))
    assert [str(error) for error in job.reported] == ["first", "second"]


async def test_work_that_returns_is_finished() -> None:
    runs: list[object] = []

    async def once(lease: Lease) -> None:
        runs.append(lease.key)

    async with asyncio.TaskGroup() as tasks:
        KeyedRunner("job", NoLeases("one"), LOG).start(tasks, "key", once, runs.append)
    assert runs == ["key"]


async def test_work_whose_lease_is_lost_is_cancelled_and_waits_for_the_lease_again() -> None:
    leases, job = OneLease(), Job()
    async with running(leases) as start:
        start(job)
        await job.until(lambda job: job.runs == 1)
        leases.leases[0].lost.set()
        await job.until(lambda job: job.runs == 2 and bool(job.running))
    assert job.reported == []


@pytest.mark.parametrize("leases", [NoLeases("one"), OneLease()])
async def test_a_failure_while_stopping_is_logged_and_does_not_swallow_the_cancellation(
    leases: NoLeases, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(on_cancel=ValueError("too late"))
    async with running(leases) as start:
        start(job)
        await job.until(lambda job: bool(job.running))
    assert (job.runs, job.reported) == (1, [])
    assert "failed_while_stopping key=key" in capsys.readouterr().err


async def test_stopping_marks_the_lease_as_lost() -> None:
    leases, job = OneLease(), Job()
    async with running(leases) as start:
        runner = start(job)
        await job.until(lambda job: bool(job.running))
        runner.stop("key")
        assert leases.leases[0].lost.is_set()


async def test_new_work_of_a_key_starts_after_the_earlier_work_has_ended() -> None:
    ending = asyncio.Event()
    order: list[str] = []

    async def slow(lease: Lease) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await ending.wait()
            order.append("earlier ended")

    job = Job()
    runner = KeyedRunner("job", NoLeases("one"), LOG)
    async with asyncio.TaskGroup() as tasks:
        runner.start(tasks, "key", slow, job.reported.append)
        await asyncio.sleep(0)
        runner.stop("key")
        runner.start(tasks, "key", Job().run, job.reported.append)
        await asyncio.sleep(0)
        runner.stop("key")  # stopped before it could start: the next one still waits for the first
        runner.start(tasks, "key", job.run, job.reported.append)
        await asyncio.sleep(0.01)
        assert job.runs == 0
        ending.set()
        await job.until(lambda job: bool(job.running))
        runner.stop("key")
    assert order == ["earlier ended"]


async def test_the_standing_names_the_holder_of_the_lease() -> None:
    class Elsewhere(NoLeases):
        def holder(self, key: str) -> str | None:
            return "two" if key == "theirs" else None

    runner = KeyedRunner("job", Elsewhere("one"), LOG)
    assert runner.holder_text("theirs", is_running=False) == "held by two"
    assert runner.holder_text("free", is_running=False) == "waiting"
    assert runner.holder_text("ours", is_running=True) == "running here"
    assert runner.is_elsewhere("theirs")


def test_the_root_cause_is_our_own_error_before_fenced_and_fenced_before_bus_errors() -> None:
    ours, fenced, bus = ValueError("ours"), Fenced("fenced"), Ambiguous("bus")
    assert root_cause(ExceptionGroup("", [bus, fenced, ExceptionGroup("", [ours])])) is ours
    assert root_cause(ExceptionGroup("", [bus, fenced])) is fenced
    assert root_cause(bus) is bus


class FailsAtCancellation(NoLeases):
    """A failure of the work that replaces the first cancellation, as when both happen at once."""

    has_failed = False

    async def run_while_held(self, key: str, work: Work) -> None:
        try:
            await super().run_while_held(key, work)
        except asyncio.CancelledError:
            if self.has_failed:
                raise
            self.has_failed = True
            raise Ambiguous("at the same moment") from None


async def test_a_failure_at_the_moment_of_cancellation_does_not_undo_it() -> None:
    job = Job()
    async with asyncio.timeout(5), running(FailsAtCancellation("one")) as start:
        runner = start(job)
        await job.until(lambda job: job.running == 1)
        runner.stop("key")
    assert (job.runs, len(job.reported)) == (1, 1)
