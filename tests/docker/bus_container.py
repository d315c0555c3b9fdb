"""nats-server in a container of our image, with the interface of `EmbeddedServer` as far as tests use it."""

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from bus import BusContext
from bus.service.server_config import ServerLimits, configuration
from tests.docker.engine import IMAGE, build_images

PORT = 4222
START_TIMEOUT_S = 60.0
POLL_S = 0.05


class BusContainer:
    """A server whose configuration is that of the embedded one. It keeps its port and its store when it is restarted."""

    def __init__(self, data_dir: Path, limits: ServerLimits | None = None) -> None:
        build_images()
        self.data_dir = data_dir
        self.port = _free_port()
        self._container: Any = None
        data_dir.mkdir(parents=True)
        self._config = data_dir / "nats-server.conf"
        self._config.write_text(
            configuration(
                name="bus",
                listen=f"0.0.0.0:{PORT}",
                folder=data_dir,
                log_file=data_dir / "nats-server.log",
                limits=limits or ServerLimits(),
                sync_interval="always",
                cluster=None,
                credentials=None,
            )
        )

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def context(self) -> BusContext:
        return BusContext(url=self.url)

    @property
    def pid(self) -> int | None:
        """The process id; None when the server does not run."""
        if self._container is None:
            return None
        self._container.reload()
        return self._container.attrs["State"]["Pid"] or None

    async def start(self) -> None:
        """Create the container, or start it again, and return when the server accepts connections."""
        if self._container is None:
            self._container = self._created()
        else:
            self._container.start()
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await self._answers():  # noqa: ASYNC110 - a process of another kind starts
                await asyncio.sleep(POLL_S)

    async def wait(self) -> int:
        """Wait until the server ends and return its exit code; after a signal the negative signal number."""
        code = int((await asyncio.to_thread(self._container.wait))["StatusCode"])
        return 128 - code if code > 128 else code

    async def stop(self) -> None:
        self.terminate()
        await self.wait()

    def terminate(self) -> None:
        self.send(signal.SIGTERM)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server if it runs."""
        if self.pid is not None:
            self._container.kill(signal=number)

    def remove(self) -> None:
        if self._container is not None:
            self._container.remove(force=True)

    def _created(self) -> Any:
        # Imported here, because only these tests need it.
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415

        container = (
            DockerContainer(IMAGE)
            .with_bind_ports(PORT, self.port)
            .with_volume_mapping(str(self.data_dir), str(self.data_dir), "rw")
            .with_kwargs(
                entrypoint=["nats-server", "-c", str(self._config)],
                user=f"{os.getuid()}:{os.getgid()}",
                read_only=True,
                cap_drop=["ALL"],
                healthcheck={"test": ["NONE"]},
            )
        )
        container.start()
        return container.get_wrapped_container()

    async def _answers(self) -> bool:
        """Return whether the server greets; Docker itself accepts connections before."""
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                async with asyncio.timeout(1):
                    return (await reader.readline()).startswith(b"INFO ")
            finally:
                writer.close()
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
