"""A live server as a process of its own on a core of its own, with a bus and viewers beside it: to be measured."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bus import Bus, EmbeddedServer, connect, provision
from cli.stack.ports import HOST, any_free
from cli.stack.process import die_with_parent
from lab.bench import cores

PATIENCE_S = 30.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class LiveServer:
    """One that runs."""

    process: asyncio.subprocess.Process
    port: int

    async def ask(self, path: str) -> Any:
        """Return what it says at a path, as JSON."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{HOST}:{self.port}{path}") as answer,
        ):
            return await answer.json()

    async def clients(self) -> int:
        """Return how many viewers it has."""
        return int((await self.ask("/health"))["clients"])

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def cpu_s(self) -> float:
        """Return the processor time that it has used. Linux alone."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kb(self) -> int:
        """Return its resident memory. Linux alone."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@asynccontextmanager
async def live_server(bus_url: str, *options: str) -> AsyncIterator[LiveServer]:
    """Run a live server until it is ready, and for as long as the context lasts."""
    port = any_free()
    command = ("--bus-url", bus_url, "--http-port", str(port), "--drain-s", "0.2", *options)
    with cores.on(cores.SERVER):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "liveserver",
            *command,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )
    server = LiveServer(process, port)
    try:
        await _until_ready(server)
        yield server
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def bus_beside(folder: Path, *, sync_always: bool = False) -> AsyncIterator[Bus]:
    """Run a bus on the other cores."""
    with cores.on(cores.OTHERS):
        async with (
            EmbeddedServer(folder / "bus", sync_always=sync_always) as server,
            connect(server.url, name="bench") as bus,
        ):
            await provision(bus)
            yield bus


class Load:
    """Viewers in a process of their own, which answers what it is asked line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def answer(self) -> str:
        """Return the next line that it says."""
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode().strip()
        assert line, "the viewers' process has ended"
        return line

    async def ask(self, what: str) -> str:
        """Return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n".encode())
        return await self.answer()


@asynccontextmanager
async def load(module: str, *arguments: object) -> AsyncIterator[Load]:
    """Run viewers on the other cores, until they are connected and for as long as the context lasts."""
    with cores.on(cores.OTHERS):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *map(str, arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
        )
    viewers = Load(process)
    try:
        assert await viewers.answer() == "ready"
        yield viewers
    finally:
        process.kill()
        await process.wait()


async def _until_ready(server: LiveServer) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if (await server.ask("/ready"))["ready"]:
                    return
            except aiohttp.ClientError:
                pass
            assert server.process.returncode is None, "the live server has ended"
            await asyncio.sleep(POLL_S)
