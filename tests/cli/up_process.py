"""A running `opensqt up` process and its output."""

import re
import subprocess
import sys
from pathlib import Path


class Up:
    """A running `opensqt up` process."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "cli",
                "up",
                "--http-port=0",
                "--bus-port=0",
                f"--data-dir={data}",
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.lines = iter(self.process.stdout.readline, "")

    def until(self, pattern: str) -> str:
        """Return the next line that matches the pattern."""
        read = []
        for line in self.lines:
            read.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"no line matches {pattern!r}: {''.join(read)}")

    def rest(self) -> str:
        """Return the remaining output and close it."""
        text = "".join(self.lines)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return text

    def children(self) -> dict[str, int]:
        """Return the child processes: command line and process id."""
        ids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        commands = {
            pid: Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid in ids
        }
        return {command: int(pid) for pid, command in commands.items()}

    def child(self, part: str) -> int:
        return next(pid for command, pid in self.children().items() if part in command)
