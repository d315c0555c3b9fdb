"""The second Ctrl-C."""

import signal
import subprocess
import sys

PROGRAM = """
import asyncio, subprocess, sys
from bus import run
from cli.interrupt import ended_at_once_by_second_signal

child = subprocess.Popen(["sleep", "600"])

async def main():
    with ended_at_once_by_second_signal({"engine": child}, lambda text: print(text, flush=True)):
        print("running", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            print("stopping", flush=True)
            await asyncio.Event().wait()

sys.exit(run(main))
"""


def test_the_second_signal_kills_the_parts_and_says_so() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "running\n"
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "stopping\n"
        program.send_signal(signal.SIGINT)
        rest = program.stdout.read()  # ends when the child, which shares the pipe, is dead

    assert rest.startswith("stopped at once: killed engine, which had not ended yet.")
    assert program.returncode == 128 + signal.SIGINT
