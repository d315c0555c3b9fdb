"""Keeping real, tiny processes running, and stopping them."""

import asyncio
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from opensqt.process import PartProcess, ending
from opensqt.supervisor import Patience, Supervisor

SOON = Patience(first=0.001, longest=0.004, healthy=30.0, stage=0.1, stop=0.2)
OBEYS = "import signal; print('ready', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.sigwait([])"


class Spoken:
    """What the supervisor said, to wait for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, text: str) -> None:
        self.lines.append(text)
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def at_least(self, count: int) -> list[str]:
        async with self._more:
            await self._more.wait_for(lambda: len(self.lines) >= count)
        return self.lines

    async def _tell(self) -> None:
        async with self._more:
            self._more.notify_all()


def part(tmp_path: Path, name: str, program: str) -> PartProcess:
    return PartProcess(name, (sys.executable, "-S", "-c", program), tmp_path / f"{name}.log")


@asynccontextmanager
async def supervised(patience: Patience = SOON) -> AsyncIterator[tuple[Supervisor, Spoken]]:
    spoken = Spoken()
    supervisor = Supervisor(spoken, patience)
    try:
        yield supervisor, spoken
    finally:
        await supervisor.stop([])


async def until(log: Path, text: str, count: int = 1) -> None:
    while not log.exists() or log.read_text().count(text) < count:
        await asyncio.sleep(0.005)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_a_part_that_ended_is_started_again_and_said_so(tmp_path: Path) -> None:
    async with supervised() as (supervisor, spoken):
        await supervisor.start(part(tmp_path, "engine", "raise SystemExit(3)"))

        assert (await spoken.at_least(1))[0] == "engine ended with exit code 3: starting it again in 0.001 s"


async def test_a_part_that_was_killed_is_told_by_its_signal(tmp_path: Path) -> None:
    async with supervised() as (supervisor, spoken):
        engine = part(tmp_path, "engine", OBEYS)
        await supervisor.start(engine)
        await until(tmp_path / "engine.log", "ready")
        engine.send(signal.SIGKILL)

        assert (await spoken.at_least(1))[0].startswith("engine was ended by SIGKILL")
        await until(tmp_path / "engine.log", "ready", 2)
        assert supervisor.restarts() == {"engine": 1}


async def test_the_wait_between_restarts_doubles_up_to_a_limit(tmp_path: Path) -> None:
    async with supervised() as (supervisor, spoken):
        await supervisor.start(part(tmp_path, "engine", "raise SystemExit(1)"))

        waits = [re.findall(r"in ([0-9.]+) s", line)[0] for line in await spoken.at_least(5)]
        assert waits[:5] == ["0.001", "0.002", "0.004", "0.004", "0.004"]


async def test_a_part_that_ran_long_enough_starts_over_with_a_short_wait(tmp_path: Path) -> None:
    patience = Patience(first=0.001, longest=1.0, healthy=0.0)
    async with supervised(patience) as (supervisor, spoken):
        await supervisor.start(part(tmp_path, "engine", "raise SystemExit(1)"))

        assert all("in 0.001 s" in line for line in await spoken.at_least(3))


async def test_a_part_that_may_finish_is_not_started_again(tmp_path: Path) -> None:
    async with supervised() as (supervisor, spoken):
        await supervisor.start(part(tmp_path, "market", ""), may_finish=True)

        await supervisor.finished("market")
        assert spoken.lines == []


async def test_a_program_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    async with supervised() as (supervisor, _):
        with pytest.raises(FileNotFoundError):
            await supervisor.start(PartProcess("engine", ("/no/such/program",), tmp_path / "engine.log"))


async def test_parts_stop_in_the_order_of_the_stages(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    program = textwrap.dedent("""
        import signal, sys
        def end(*_):
            with open({ended!r}, "a") as file: print({name!r}, file=file)
            sys.exit()
        signal.signal(signal.SIGTERM, end); print("ready", flush=True); signal.pause()
    """)
    names = ["bus", "venue", "gateway", "engine"]
    async with supervised(Patience()) as (supervisor, _):
        for name in names:
            await supervisor.start(part(tmp_path, name, program.format(ended=str(ended), name=name)))
            await until(tmp_path / f"{name}.log", "ready")
        await supervisor.stop([["engine"], ["gateway"], ["venue"]])

    assert ended.read_text().split() == ["engine", "gateway", "venue", "bus"]


async def test_a_part_that_does_not_stop_is_killed_in_time(tmp_path: Path) -> None:
    async with supervised() as (supervisor, spoken):
        deaf = part(tmp_path, "engine", DEAF)
        await supervisor.start(deaf)
        await until(tmp_path / "engine.log", "ready")
        pid = deaf.pid
        async with asyncio.timeout(2):
            await supervisor.stop([["engine"]])

    assert spoken.lines == ["engine does not stop: killed"]
    assert pid is not None
    assert not is_alive(pid)


async def test_a_part_waiting_for_its_restart_does_not_hold_the_stop(tmp_path: Path) -> None:
    async with supervised(Patience(first=60.0)) as (supervisor, spoken):
        await supervisor.start(part(tmp_path, "engine", "raise SystemExit(1)"))
        await spoken.at_least(1)
        async with asyncio.timeout(1):
            await supervisor.stop([["engine"]])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_no_part_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = textwrap.dedent(f"""
        import asyncio, pathlib, sys
        from opensqt.process import PartProcess
        async def main():
            part = PartProcess("p", (sys.executable, "-S", "-c", {DEAF!r}), pathlib.Path({str(tmp_path / "p.log")!r}))
            await part.start()
            print(part.pid, flush=True)
            await part.wait()
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        await until(tmp_path / "p.log", "ready")
        process.kill()
    async with asyncio.timeout(5):
        while is_alive(pid):
            await asyncio.sleep(0.005)


async def test_output_goes_to_the_log_behind_what_was_there(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("before\n")
    engine = part(tmp_path, "engine", "import sys; print('out'); print('err', file=sys.stderr)")

    await engine.start()
    await engine.wait()

    assert sorted(log.read_text().split()) == ["before", "err", "out"]


@pytest.mark.parametrize(
    ("code", "text"),
    [(3, "ended with exit code 3"), (-9, "was ended by SIGKILL"), (-200, "was ended by signal 200")],
)
def test_an_ending_is_told_in_words(code: int, text: str) -> None:
    assert ending(code) == text


def test_a_signal_to_a_part_that_is_gone_is_nothing(tmp_path: Path) -> None:
    part(tmp_path, "engine", "").kill()
