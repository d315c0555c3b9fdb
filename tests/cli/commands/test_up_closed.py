"""Another user of this machine can neither reach nor read a running stack: by each port, file and process."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bus import BusContext, NotAuthorized, connect, read_context
from tests.cli.up_process import Up
from tests.other_user import connect_as_other_user, exchange, needs_root, other_user

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    needs_root,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    data = tmp_path_factory.mktemp("closed")
    data.chmod(0o755)
    running = Up(data)
    running.until("it is closed now")
    running.until("Ctrl-C")
    yield running
    running.process.terminate()
    running.rest()
    running.process.wait()


@pytest.fixture(scope="module")
def data(up: Up) -> Path:
    return up.data


def processes(up: Up) -> list[int]:
    return [up.process.pid, *up.children().values()]


def listening(up: Up) -> set[tuple[str, int]]:
    """Return the addresses on which the processes of the stack listen, from the kernel's table of sockets."""
    inodes = set()
    for pid in processes(up):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            inodes.add(str(descriptor.readlink()))
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            row = line.split()
            if row[3] == "0A" and f"socket:[{row[9]}]" in inodes:
                host, port = row[1].split(":")
                words = [bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8)]
                found.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found


def test_everything_listens_on_loopback_alone(up: Up) -> None:
    addresses = listening(up)
    assert len(addresses) == 7  # bus, venue, page, and the pages of market, account, gateway, engine
    assert {host for host, _ in addresses} == {"127.0.0.1"}


def test_every_port_refuses_another_user(up: Up, data: Path) -> None:
    bus_port = urlsplit(read_context(data / "bus-context.json").url).port
    for _, port in listening(up):
        if port == bus_port:
            answer = exchange(
                connect_as_other_user("127.0.0.1", port), b'CONNECT {"verbose":true}\r\nSUB > 1\r\nPING\r\n'
            )
            assert answer.startswith(b"INFO ")
            assert answer.endswith(b"-ERR 'Authorization Violation'\r\n")
            continue
        for path in ("/", "/ws", "/api/control", "/api/order", "/admin/market", "/status"):
            request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
            assert exchange(connect_as_other_user("127.0.0.1", port), request).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(("user", "password"), [("", ""), ("opensqt", ""), ("opensqt", "opensqt")])
def test_the_bus_takes_no_guessed_credentials(data: Path, user: str, password: str) -> None:
    context = BusContext(url=read_context(data / "bus-context.json").url, user=user, password=password)

    async def try_it() -> None:
        async with connect(context, name="other"):
            pass

    with pytest.raises(NotAuthorized):
        asyncio.run(try_it())


def test_no_file_is_readable(up: Up, data: Path) -> None:
    files = [data, *data.rglob("*")]
    assert {
        data / "bus-context.json",
        data / "run.json",
        data / "venue.sqlite",
        data / "logs" / "up.log",
    } <= set(files)
    assert [path for path in files if path.lstat().st_mode & 0o077] == []
    with other_user():
        for path in files:
            assert not os.access(path, os.R_OK, effective_ids=True)


def test_no_secret_is_in_a_command_line_an_environment_or_a_log(up: Up, data: Path) -> None:
    key = (data / "bus-context.nk").read_text().strip()
    for pid in processes(up):
        assert key not in Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
        with other_user(), pytest.raises(PermissionError):
            Path(f"/proc/{pid}/environ").read_text()
    logs = [*(data / "logs").iterdir(), data / "bus" / "nats-server.log", data / "run.json"]
    logs.append(data / "bus" / "nats-server.conf")
    assert not any(key in path.read_text() for path in logs)


def test_commands_of_another_user_say_which_credentials_are_missing(data: Path) -> None:
    url = json.loads((data / "run.json").read_text())["bus_url"]
    ended = subprocess.run(
        [sys.executable, "-m", "cli", "status", "--bus-url", url], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "--bus-context" in ended.stderr
    assert f"--bus-url {url}" in ended.stderr
