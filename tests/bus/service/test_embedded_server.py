"""The embedded nats-server."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from bus import Credentials, EmbeddedServer, NotAuthorized, ServerStartFailed, connect, provision
from tests.bus.events import event
from tests.conftest import NewServer

PARENT = """
import asyncio, sys
from pathlib import Path
from bus import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await server.wait()

asyncio.run(main())
"""


async def test_a_server_starts_on_a_free_port_with_a_store_on_disk(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        await bus.store("order.sim.A.report", event(1))

    assert server.port > 0
    assert server.pid is not None
    assert (server.data_dir / "jetstream").is_dir()
    assert "sync_interval: always" in (server.data_dir / "nats-server.conf").read_text()


async def test_a_killed_server_restarts_with_the_same_port_and_store(new_server: NewServer) -> None:
    server = await new_server()
    port = server.port
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        await bus.store("order.sim.A.report", event(1))
        server.kill()
        assert await server.wait() == -signal.SIGKILL
        assert server.pid is None
        await server.start()
        await bus.wait_connected()

        assert (server.port, await bus.last_sequence("ORDERS")) == (port, 1)


async def test_a_terminated_server_exits_with_0(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path) as server:
        waiting = [asyncio.create_task(server.wait()) for _ in range(2)]
        server.terminate()

        assert await asyncio.gather(*waiting) == [0, 0]


async def test_a_server_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.service.embedded_server.STOP_TIMEOUT_S", 0.05)
    server = EmbeddedServer(tmp_path)
    await server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    await server.stop()

    assert await server.wait() == -signal.SIGKILL


async def test_wait_can_be_cancelled(new_server: NewServer) -> None:
    server = await new_server()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(server.wait(), 0.01)
    server.terminate()

    assert await server.wait() == 0


async def test_a_data_directory_in_use_is_rejected(new_server: NewServer) -> None:
    first = await new_server()
    second = EmbeddedServer(first.data_dir, lock_wait_s=0)

    with pytest.raises(ServerStartFailed) as caught:
        await second.start()

    assert str(caught.value) == (
        f"the data directory {first.data_dir} is in use by nats-server {first.pid}, started by process"
        f" {os.getpid()}: stop it, or choose another data directory"
    )
    assert first.pid is not None


async def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerStartFailed, match=f"port {port} of 127.0.0.1 is in use"):
            await EmbeddedServer(tmp_path, port=port).start()


async def test_an_unusable_data_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ServerStartFailed, match=r"cannot be used: .*Not a directory"):
        await EmbeddedServer(tmp_path / "file" / "data").start()


async def test_errors_of_the_server_are_reported(tmp_path: Path) -> None:
    (tmp_path / "jetstream").write_text("not a directory")

    with pytest.raises(ServerStartFailed, match=r"nats-server did not start: .*[Jj]et[Ss]tream"):
        await EmbeddedServer(tmp_path).start()


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
async def test_a_server_does_not_outlive_its_parent(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    await parent.stdout.readline()
    parent.kill()
    await parent.communicate()

    # The server holds the lock, so starting another one succeeds only when it has ended.
    async with EmbeddedServer(tmp_path, lock_wait_s=5):
        pass


async def test_a_server_demands_its_credentials(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, credentials=Credentials("ann", "secret")) as server:
        with pytest.raises(NotAuthorized):
            async with connect(server.url, name="test"):
                pass
        async with connect(server.context, name="test") as bus:
            await provision(bus)
    assert (tmp_path / "nats-server.conf").stat().st_mode & 0o077 == 0
    assert (tmp_path / "nats-server.log").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
async def test_a_server_that_is_stopped_does_not_outlive_its_parent(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    os.kill(int(await parent.stdout.readline()), signal.SIGSTOP)
    parent.kill()
    await parent.communicate()

    async with EmbeddedServer(tmp_path, lock_wait_s=5):
        pass
