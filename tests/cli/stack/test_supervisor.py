"""Supervision of real, small processes."""

import asyncio
import re
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cli.stack.process import PartProcess, exit_text, module_command
from cli.stack.supervisor import Supervisor, SupervisorTimings

FAST = SupervisorTimings(
    first_delay_s=0.001, max_delay_s=0.004, healthy_after_s=30.0, stage_stop_s=0.1, stop_s=0.2
)
WAITS = "signal.pause()"
IGNORES_SIGTERM = (
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); connection.sendall(b'ready\\n'); signal.sigwait([])"
)


class ProcessServer:
    """A Unix socket server: each process of a test connects, sends its name, and disconnects when it dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections: asyncio.Queue[tuple[str, asyncio.StreamReader]] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._connections.put_nowait(((await reader.readline()).decode().strip(), reader))

    async def next(self, name: str) -> asyncio.StreamReader:
        """Return the stream of the next process that connects, which must have this name."""
        actual, reader = await self._connections.get()
        assert actual == name
        return reader

    def answer(self, data: bytes) -> None:
        self._writers[-1].write(data)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()

    def part(self, name: str, program: str) -> PartProcess:
        code = "\n".join(
            [
                "import os, signal, socket, sys",
                "connection = socket.socket(socket.AF_UNIX)",
                f"connection.connect({str(self.path)!r})",
                f"connection.sendall(b'{name}\\n')",
                program,
            ]
        )
        return PartProcess(name, (sys.executable, "-S", "-c", code), self.path.with_name(f"{name}.log"))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ProcessServer]:
    server = ProcessServer(tmp_path / "socket")
    async with await asyncio.start_unix_server(server.accept, server.path):
        yield server
        server.close()


class Reports(asyncio.Queue[str]):
    """The messages of the supervisor."""

    async def lines(self, count: int) -> list[str]:
        return [await self.get() for _ in range(count)]


@asynccontextmanager
async def supervised(timings: SupervisorTimings = FAST) -> AsyncIterator[tuple[Supervisor, Reports]]:
    reports = Reports()
    supervisor = Supervisor(reports.put_nowait, timings)
    try:
        yield supervisor, reports
    finally:
        await supervisor.stop([])


async def test_a_first_run_that_ends_for_good_is_not_restarted(server: ProcessServer) -> None:
    async with supervised() as (supervisor, reports):
        await supervisor.start(server.part("a", "sys.exit(78)"))

        assert await supervisor.failed() == ("a", 78)
        assert supervisor.restarts() == {"a": 0}
        assert reports.empty()


async def test_a_process_that_ran_before_is_restarted_whatever_its_exit_code(server: ProcessServer) -> None:
    async with supervised() as (supervisor, reports):
        await supervisor.start(server.part("a", "sys.exit(1 if connection.recv(1) == b'1' else 78)"))
        for _ in range(3):
            await server.next("a")
            server.answer(b"1" if _ == 0 else b"2")

        assert [text.split(";")[0] for text in await reports.lines(2)] == [
            "a exited with code 1",
            "a exited with code 78",
        ]


async def is_closed(stream: asyncio.StreamReader) -> bool:
    """Wait until the process has exited; return whether it sent nothing more."""
    return await stream.read() == b""


async def test_a_part_that_exits_is_restarted_and_reported(server: ProcessServer) -> None:
    async with supervised() as (supervisor, reports):
        await supervisor.start(server.part("engine", "sys.exit(3)"))

        assert await reports.get() == "engine exited with code 3; restarting in 0.001 s"
        await server.next("engine")
        await server.next("engine")


async def test_a_killed_part_is_reported_with_its_signal(server: ProcessServer) -> None:
    async with supervised() as (supervisor, reports):
        engine = server.part("engine", WAITS)
        await supervisor.start(engine)
        await server.next("engine")

        engine.kill()

        assert await reports.get() == "engine was terminated by SIGKILL; restarting in 0.001 s"
        await server.next("engine")
        assert supervisor.restarts() == {"engine": 1}


async def test_the_restart_delay_doubles_up_to_a_maximum(server: ProcessServer) -> None:
    async with supervised() as (supervisor, reports):
        await supervisor.start(server.part("engine", "sys.exit(1)"))

        delays = [re.findall(r"in ([0-9.]+) s", line) for line in await reports.lines(5)]
        assert delays == [["0.001"], ["0.002"], ["0.004"], ["0.004"], ["0.004"]]


async def test_a_healthy_run_resets_the_restart_delay(server: ProcessServer) -> None:
    async with supervised(SupervisorTimings(first_delay_s=0.001, max_delay_s=1.0, healthy_after_s=0.0)) as (
        supervisor,
        reports,
    ):
        await supervisor.start(server.part("engine", "sys.exit(1)"))

        assert all("in 0.001 s" in line for line in await reports.lines(3))


async def test_a_finished_part_is_not_restarted(server: ProcessServer) -> None:
    async with supervised() as (supervisor, reports):
        await supervisor.start(server.part("market", "sys.exit()"), may_finish=True)

        await supervisor.finished("market")
        assert reports.empty()


async def test_a_part_that_may_finish_is_restarted_after_a_failure(server: ProcessServer) -> None:
    async with supervised() as (supervisor, reports):
        await supervisor.start(server.part("market", "sys.exit(1)"), may_finish=True)

        assert "restarting" in await reports.get()


async def test_a_missing_program_is_an_error_at_the_first_start(tmp_path: Path) -> None:
    async with supervised() as (supervisor, _):
        with pytest.raises(FileNotFoundError):
            await supervisor.start(PartProcess("engine", ("/no/such/program",), tmp_path / "engine.log"))


async def test_parts_stop_in_the_order_of_the_stages(server: ProcessServer) -> None:
    order = server.path.with_name("order")
    program = textwrap.dedent(f"""
        def end(*_):
            os.write(os.open({str(order)!r}, os.O_CREAT | os.O_WRONLY | os.O_APPEND), b"NAME ")
            sys.exit()
        signal.signal(signal.SIGTERM, end)
        connection.sendall(b"ready\\n")
        signal.pause()
    """)
    async with supervised(SupervisorTimings()) as (supervisor, _):
        for name in ("bus", "venue", "gateway", "engine"):
            await supervisor.start(server.part(name, program.replace("NAME", name)))
            assert await (await server.next(name)).readline() == b"ready\n"
        await supervisor.stop([["engine"], ["gateway"], ["venue"]])

    assert order.read_text().split() == ["engine", "gateway", "venue", "bus"]


async def test_a_part_that_ignores_sigterm_is_killed_in_time(server: ProcessServer) -> None:
    async with supervised() as (supervisor, reports):
        await supervisor.start(server.part("engine", IGNORES_SIGTERM))
        stream = await server.next("engine")
        assert await stream.readline() == b"ready\n"
        async with asyncio.timeout(2):
            await supervisor.stop([["engine"]])

        assert await reports.get() == "engine did not stop in time: killed"
        assert await is_closed(stream)


async def test_a_pending_restart_does_not_delay_the_stop(server: ProcessServer) -> None:
    async with supervised(SupervisorTimings(first_delay_s=60.0, max_delay_s=60.0)) as (supervisor, reports):
        await supervisor.start(server.part("engine", "sys.exit(1)"))
        await reports.get()
        async with asyncio.timeout(1):
            await supervisor.stop([["engine"]])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with their parent")
async def test_a_part_does_not_outlive_a_killed_parent(server: ProcessServer) -> None:
    child = server.part("engine", IGNORES_SIGTERM)
    program = textwrap.dedent(f"""
        import asyncio, pathlib
        from cli.stack.process import PartProcess
        async def main():
            part = PartProcess("engine", {child.command!r}, pathlib.Path("/dev/null"))
            await part.start()
            await part.wait()
        asyncio.run(main())
    """)
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    stream = await server.next("engine")
    assert await stream.readline() == b"ready\n"

    parent.kill()

    assert await is_closed(stream)
    await parent.wait()


async def test_a_part_appends_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("before\n")
    engine = PartProcess("engine", (sys.executable, "-S", "-c", "import sys; sys.exit('after')"), log)

    await engine.start()

    assert await engine.wait() == 1
    assert log.read_text().split() == ["before", "after"]


@pytest.mark.parametrize(
    ("code", "text"),
    [(3, "exited with code 3"), (-9, "was terminated by SIGKILL"), (-200, "was terminated by signal 200")],
)
def test_an_exit_code_as_text(code: int, text: str) -> None:
    assert exit_text(code) == text


def test_a_module_runs_with_the_same_python() -> None:
    assert module_command("engine", "--lock-step") == (sys.executable, "-m", "engine", "--lock-step")


async def test_a_signal_to_a_stopped_part_is_ignored(tmp_path: Path) -> None:
    PartProcess("engine", (), tmp_path / "engine.log").send(signal.SIGTERM)
