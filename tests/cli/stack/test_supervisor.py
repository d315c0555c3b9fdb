"""Keeping real, tiny processes running, and stopping them."""

import asyncio
import re
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cli.stack.process import PartProcess, ending, python
from cli.stack.supervisor import Patience, Supervisor

SOON = Patience(first=0.001, longest=0.004, healthy=30.0, stage=0.1, stop=0.2)
OBEYS = "signal.pause()"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN); call.sendall(b'deaf\\n'); signal.sigwait([])"


class Switchboard:
    """Where the processes of a test call: each says its name when it runs, and its line ends with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._calls: asyncio.Queue[tuple[str, asyncio.StreamReader]] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._calls.put_nowait(((await reader.readline()).decode().strip(), reader))

    async def next(self, name: str) -> asyncio.StreamReader:
        """Return the line of the next process that calls, which has to be of this name."""
        caller, reader = await self._calls.get()
        assert caller == name
        return reader

    def close(self) -> None:
        for writer in self._writers:
            writer.close()

    def part(self, name: str, program: str) -> PartProcess:
        call = f"call = socket.socket(socket.AF_UNIX); call.connect({str(self.path)!r}); call.sendall(b'{name}\\n')"
        code = f"import os, signal, socket, sys\n{call}\n{program}"
        return PartProcess(name, (sys.executable, "-S", "-c", code), self.path.with_name(f"{name}.log"))


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    board = Switchboard(tmp_path / "board")
    async with await asyncio.start_unix_server(board.called, board.path):
        yield board
        board.close()


class Spoken(asyncio.Queue[str]):
    """What the supervisor said."""

    async def lines(self, count: int) -> list[str]:
        return [await self.get() for _ in range(count)]


@asynccontextmanager
async def supervised(patience: Patience = SOON) -> AsyncIterator[tuple[Supervisor, Spoken]]:
    spoken = Spoken()
    supervisor = Supervisor(spoken.put_nowait, patience)
    try:
        yield supervisor, spoken
    finally:
        await supervisor.stop([])


async def ended(line: asyncio.StreamReader) -> bool:
    """Wait until the process at the other end is gone."""
    return await line.read() == b""


async def test_a_part_that_ended_is_started_again_and_said_so(board: Switchboard) -> None:
    async with supervised() as (supervisor, spoken):
        await supervisor.start(board.part("engine", "sys.exit(3)"))

        assert await spoken.get() == "engine ended with exit code 3: starting it again in 0.001 s"
        await board.next("engine")
        await board.next("engine")


async def test_a_part_that_was_killed_is_told_by_its_signal(board: Switchboard) -> None:
    async with supervised() as (supervisor, spoken):
        engine = board.part("engine", OBEYS)
        await supervisor.start(engine)
        await board.next("engine")

        engine.kill()

        assert await spoken.get() == "engine was ended by SIGKILL: starting it again in 0.001 s"
        await board.next("engine")
        assert supervisor.restarts() == {"engine": 1}


async def test_the_wait_between_restarts_doubles_up_to_a_limit(board: Switchboard) -> None:
    async with supervised() as (supervisor, spoken):
        await supervisor.start(board.part("engine", "sys.exit(1)"))

        waits = [re.findall(r"in ([0-9.]+) s", line) for line in await spoken.lines(5)]
        assert waits == [["0.001"], ["0.002"], ["0.004"], ["0.004"], ["0.004"]]


async def test_a_part_that_ran_long_enough_starts_over_with_a_short_wait(board: Switchboard) -> None:
    async with supervised(Patience(first=0.001, longest=1.0, healthy=0.0)) as (supervisor, spoken):
        await supervisor.start(board.part("engine", "sys.exit(1)"))

        assert all("in 0.001 s" in line for line in await spoken.lines(3))


async def test_a_part_that_may_finish_is_not_started_again(board: Switchboard) -> None:
    async with supervised() as (supervisor, spoken):
        await supervisor.start(board.part("market", "sys.exit()"), may_finish=True)

        await supervisor.finished("market")
        assert spoken.empty()


async def test_a_part_that_may_finish_is_started_again_when_it_failed(board: Switchboard) -> None:
    async with supervised() as (supervisor, spoken):
        await supervisor.start(board.part("market", "sys.exit(1)"), may_finish=True)

        assert "starting it again" in await spoken.get()


async def test_a_program_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    async with supervised() as (supervisor, _):
        with pytest.raises(FileNotFoundError):
            await supervisor.start(PartProcess("engine", ("/no/such/program",), tmp_path / "engine.log"))


async def test_parts_stop_in_the_order_of_the_stages(board: Switchboard) -> None:
    order = board.path.with_name("order")
    program = textwrap.dedent(f"""
        def end(*_):
            os.write(os.open({str(order)!r}, os.O_CREAT | os.O_WRONLY | os.O_APPEND), b"NAME ")
            sys.exit()
        signal.signal(signal.SIGTERM, end)
        call.sendall(b"listening\\n")
        signal.pause()
    """)
    async with supervised(Patience()) as (supervisor, _):
        for name in ("bus", "venue", "gateway", "engine"):
            await supervisor.start(board.part(name, program.replace("NAME", name)))
            assert await (await board.next(name)).readline() == b"listening\n"
        await supervisor.stop([["engine"], ["gateway"], ["venue"]])

    assert order.read_text().split() == ["engine", "gateway", "venue", "bus"]


async def test_a_part_that_does_not_stop_is_killed_in_time(board: Switchboard) -> None:
    async with supervised() as (supervisor, spoken):
        await supervisor.start(board.part("engine", DEAF))
        line = await board.next("engine")
        assert await line.readline() == b"deaf\n"
        async with asyncio.timeout(2):
            await supervisor.stop([["engine"]])

        assert await spoken.get() == "engine does not stop: killed"
        assert await ended(line)


async def test_a_part_waiting_for_its_restart_does_not_hold_the_stop(board: Switchboard) -> None:
    async with supervised(Patience(first=60.0)) as (supervisor, spoken):
        await supervisor.start(board.part("engine", "sys.exit(1)"))
        await spoken.get()
        async with asyncio.timeout(1):
            await supervisor.stop([["engine"]])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_no_part_outlives_a_parent_that_was_killed(board: Switchboard) -> None:
    child = board.part("engine", DEAF)
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
    line = await board.next("engine")
    assert await line.readline() == b"deaf\n"

    parent.kill()

    assert await ended(line)
    await parent.wait()


async def test_what_a_part_logs_goes_behind_what_was_there(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("before\n")
    engine = PartProcess("engine", (sys.executable, "-S", "-c", "import sys; sys.exit('after')"), log)

    await engine.start()

    assert await engine.wait() == 1
    assert log.read_text().split() == ["before", "after"]


@pytest.mark.parametrize(
    ("code", "text"),
    [(3, "ended with exit code 3"), (-9, "was ended by SIGKILL"), (-200, "was ended by signal 200")],
)
def test_an_ending_is_told_in_words(code: int, text: str) -> None:
    assert ending(code) == text


def test_a_part_is_a_module_of_this_installation() -> None:
    assert python("engine", "--lock-step") == (sys.executable, "-m", "engine", "--lock-step")


async def test_a_signal_to_a_part_that_does_not_run_is_nothing(tmp_path: Path) -> None:
    PartProcess("engine", (), tmp_path / "engine.log").send(signal.SIGTERM)
