"""Start and end of a process: signals, exit codes, error messages."""

import asyncio
import errno
import signal
import subprocess
import sys

import pytest

from bus import EXIT_PERMANENT, BusError, TopologyDiffers, forever, run

PROGRAM = """
import asyncio, sys
from bus import BusError, run

async def main():
    print("running", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("unwound", flush=True)
        {at_exit}

sys.exit(run(main))
"""


def start(at_exit: str = "pass") -> "subprocess.Popen[str]":
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(at_exit=at_exit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "running\n"
    return program


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_main_and_exits_with_0(number: signal.Signals) -> None:
    with start() as program:
        program.send_signal(number)
        out, err = program.communicate(timeout=10)

    assert (program.returncode, out, err) == (0, "unwound\n", "")


def test_a_second_signal_exits_at_once() -> None:
    with start("await asyncio.Event().wait()") as program:
        assert program.stdout is not None
        program.send_signal(signal.SIGTERM)
        assert program.stdout.readline() == "unwound\n"
        program.send_signal(signal.SIGTERM)

        assert program.wait(timeout=10) == 128 + signal.SIGTERM


def test_an_error_during_shutdown_is_reported() -> None:
    with start("raise BusError('cleanup failed')") as program:
        program.send_signal(signal.SIGTERM)
        _, err = program.communicate(timeout=10)

    assert (program.returncode, err) == (1, "error: cleanup failed\n")


def test_main_returning_exits_with_0() -> None:
    async def main() -> None:
        pass

    before = signal.getsignal(signal.SIGTERM)

    assert run(main) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_errors_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail(OSError("port 80 is taken")))
            tasks.create_task(fail(KeyError("key")))

    assert run(main) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: port 80 is taken",
        "error: KeyError: 'key' (--debug shows the traceback)",
    ]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BusError("no reply"), 1),
        (OSError(errno.EADDRINUSE, "port 8080 is in use"), EXIT_PERMANENT),
        (ExceptionGroup("", [TopologyDiffers("ORDERS", "max_age")]), EXIT_PERMANENT),
    ],
)
def test_an_error_that_a_restart_cannot_mend_has_its_own_exit_code(error: Exception, code: int) -> None:
    async def main() -> None:
        raise error

    assert run(main) == code


def test_debug_raises_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSQT_DEBUG", "")

    async def main() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(main, debug=True)


async def test_a_coroutine_that_must_not_return_raises_when_it_does() -> None:
    async def coroutine() -> None:
        pass

    with pytest.raises(AssertionError, match="feed ended"):
        await forever("feed", coroutine())
