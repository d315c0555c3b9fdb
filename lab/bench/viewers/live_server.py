"""The measured live server on a core of its own; bus and load on the other cores."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bus import Bus, EmbeddedServer
from cli.stack.ports import HOST, find_free_port
from cli.stack.process import die_with_parent
from lab.bench import cpu
from lab.bench.processes import bus_servers

READY_TIMEOUT_S = 30.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A running live server."""

    process: asyncio.subprocess.Process
    port: int

    async def get(self, path: str) -> Any:
        """Return the JSON response of an HTTP path."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{HOST}:{self.port}{path}") as response,
        ):
            return await response.json()

    async def client_count(self) -> int:
        """Return the number of connected viewers."""
        return int((await self.get("/health"))["clients"])

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def cpu_s(self) -> float:
        """Return the CPU time used, in seconds. Linux only."""
        return cpu.cpu_s(self.process.pid)

    def memory_kb(self) -> int:
        """Return the resident memory. Linux only."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@asynccontextmanager
async def live_server(bus_url: str, *options: str) -> AsyncIterator[LiveServer]:
    """Run a live server on the server core; yield when it is ready."""
    port = find_free_port()
    command = ("--bus-url", bus_url, "--http-port", str(port), "--drain-s", "0.2", *options)
    with cpu.pinned_to(cpu.SERVER_CORES):
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
        await _wait_ready(server)
        yield server
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def pinned_bus(folder: Path) -> AsyncIterator[Bus]:
    """Run a bus on the other cores, without syncing; pin this process to them as well."""
    with cpu.pinned_to(cpu.OTHER_CORES):
        async with bus_servers(EmbeddedServer(folder / "bus", sync_always=False)) as bus:
            yield bus


class LoadProcess:
    """A process of viewers, controlled by lines on standard input and output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read_line(self) -> str:
        """Return the next line of output."""
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode().strip()
        assert line, "the process of the viewers has exited"
        return line

    async def request(self, command: str) -> str:
        """Send a command and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        return await self.read_line()


@asynccontextmanager
async def load_process(module: str, *arguments: object) -> AsyncIterator[LoadProcess]:
    """Run a load module on the other cores; yield when its viewers are connected."""
    with cpu.pinned_to(cpu.OTHER_CORES):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *map(str, arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
        )
    load = LoadProcess(process)
    try:
        assert await load.read_line() == "ready"
        yield load
    finally:
        process.kill()
        await process.wait()


async def _wait_ready(server: LiveServer) -> None:
    async with asyncio.timeout(READY_TIMEOUT_S):
        while True:
            try:
                if (await server.get("/ready"))["ready"]:
                    return
            except aiohttp.ClientError:
                pass
            assert server.process.returncode is None, "the live server has exited"
            await asyncio.sleep(POLL_S)
