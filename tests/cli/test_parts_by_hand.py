"""The lines of docs/deploy.md, word for word, each time in a network namespace of their own."""

import asyncio
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from msgspec import to_builtins
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bus.service.embedded_server import find_nats_server
from tests.layout import ROOT
from tests.liveserver.resuming import CountingViewer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TIMEOUT_S = 400
"""Several Python processes start at once, on a machine that may be busy."""
V2 = [Subprotocol("opensqt.v2")]
CLONE_NEWNET = 0x40000000
"""From linux/sched.h."""

DOCUMENT = ROOT / "docs" / "deploy.md"
LAUNCHER = f'#!/bin/sh\nOPENSQT_ROOT="$PWD" PYTHONPATH="{ROOT}" exec {sys.executable} -m cli "$@"\n'
UNTIL_FINE = """
until {status} > status.txt 2>&1 && grep -q yes status.txt; do sleep 0.5; done
cat status.txt
"""


def blocks(title: str) -> list[str]:
    """Return the shell blocks of a section, up to the next title."""
    section = DOCUMENT.read_text().partition(f" {title}\n")[2]
    section = re.split(r"^#", section, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def prepare(folder: Path) -> None:
    """Make an empty machine of a folder: the launcher, the configuration that ships, and nats-server."""
    (folder / "opensqt").write_text(LAUNCHER)
    (folder / "opensqt").chmod(0o755)
    (folder / "cli" / "config").mkdir(parents=True)
    shutil.copy(ROOT / "cli" / "config" / "default.yaml", folder / "cli" / "config")
    (folder / "nats-server").symlink_to(find_nats_server())


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENSQT")}
    return {**kept, "PATH": f"{folder}:{os.environ['PATH']}"}


def has_namespaces() -> bool:
    tried = subprocess.run(["unshare", "--net", "ip", "link"], capture_output=True, check=False)
    return tried.returncode == 0


needs_namespaces = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("unshare") or not has_namespaces(),
    reason="needs root and the commands unshare and ip, for a network of its own",
)


@contextmanager
def script(folder: Path, text: str, *namespace: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script in a network namespace, and end all that it has started."""
    with (folder / "out").open("wb") as out, (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*namespace, "bash", "-euc", text],
            cwd=folder,
            env=environment(folder),
            stdout=out,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@needs_namespaces
@pytest.mark.parametrize("number", [0, 1])
def test_parts_started_from_the_documentation_trade(tmp_path: Path, number: int) -> None:
    prepare(tmp_path)
    *lines, status = blocks("Parts without `up`")[number].rstrip().split("\n")
    text = "\n".join(["ip link set lo up", *lines, UNTIL_FINE.format(status=status)])
    with script(tmp_path, text, "unshare", "--net") as process:
        assert process.wait(timeout=TIMEOUT_S) == 0, (tmp_path / "log").read_text()
    rows = [line.split() for line in (tmp_path / "status.txt").read_text().splitlines()]
    assert sum(row[:1] == ["liveserver"] for row in rows) == 2
    traded = {row[0] for row in rows if "yes" in row}
    assert traded == {"BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT"}


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Make two network namespaces that reach each other: 10.77.0.1 and 10.77.0.2."""
    names = (f"sqt{os.getpid()}a", f"sqt{os.getpid()}b")
    for name in names:
        subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        one, other = names
        link = [
            "ip",
            "-n",
            one,
            "link",
            "add",
            "veth0",
            "type",
            "veth",
            "peer",
            "name",
            "veth0",
            "netns",
            other,
        ]
        subprocess.run(link, check=True)
        for number, name in enumerate(names, start=1):
            for rest in (f"addr add 10.77.0.{number}/24 dev veth0", "link set veth0 up", "link set lo up"):
                subprocess.run(["ip", "-n", name, *rest.split()], check=True)
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def socket_in(namespace: str, port: int) -> socket.socket:
    """Return a socket that is connected to a port on loopback in another network namespace."""
    libc, found = ctypes.CDLL(None, use_errno=True), list[socket.socket]()

    def connect() -> None:
        # Only this thread enters the namespace; the socket stays in it.
        with Path(f"/run/netns/{namespace}").open() as file:
            assert libc.setns(file.fileno(), CLONE_NEWNET) == 0
        found.append(socket.create_connection(("127.0.0.1", port)))

    with ThreadPoolExecutor(1) as thread:
        thread.submit(connect).result()
    return found[0]


@asynccontextmanager
async def viewer_in(namespace: str, query: str) -> AsyncIterator[ClientConnection]:
    socket_ = socket_in(namespace, 8080)
    async with connect(f"ws://127.0.0.1:8080/ws?{query}", sock=socket_, subprotocols=V2) as viewer:
        yield viewer


def kill_live_server(folder: Path) -> None:
    """Kill the live server that was started in a folder."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (path / "cwd").readlink() == folder and b"-m\0liveserver" in (path / "cmdline").read_bytes():
                os.kill(int(path.name), signal.SIGKILL)


def stored_sequences(namespace: str, context: Path) -> dict[str, list[int]]:
    """Return the sequences of each stream on the bus of another namespace."""
    command = ["ip", "netns", "exec", namespace, sys.executable, "-m", "tests.cli.stored_sequences"]
    run = subprocess.run([*command, str(context)], cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, list[int]] = json.loads(run.stdout)
    return found


async def receive_until(viewer: ClientConnection, counting: CountingViewer, count: int) -> None:
    """Receive messages until `count` durable events have come."""
    while len(counting.events) < count:
        counting.receive(await viewer.recv())


@needs_namespaces
@pytest.mark.long
async def test_a_viewer_resumes_at_the_live_server_of_another_host(
    tmp_path: Path, hosts: tuple[str, str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        prepare(folder)
    on_first, on_second = blocks("On two hosts")
    *lines, status = on_second.rstrip().split("\n")
    exec_in = ("ip", "netns", "exec")
    with ExitStack() as stack:
        stack.enter_context(script(first, f"{on_first}\nwait", *exec_in, hosts[0]))
        contexts = first / "secrets" / "contexts"
        while "applied" not in (first / "out").read_text():  # noqa: ASYNC110 - a file is written
            await asyncio.sleep(0.1)
        shutil.copytree(contexts, second / "contexts")
        text = "\n".join([*lines, UNTIL_FINE.format(status=status), "wait"])
        stack.enter_context(script(second, text, *exec_in, hosts[1]))
        async with asyncio.timeout(TIMEOUT_S):
            while not (second / "out").read_text():  # noqa: ASYNC110 - a file is written
                await asyncio.sleep(0.1)
            counting = CountingViewer()
            async with viewer_in(hosts[1], "symbol=*") as viewer:
                await receive_until(viewer, counting, 10)
                kill_live_server(second)
                with suppress(ConnectionClosed):
                    while True:
                        counting.receive(await viewer.recv())
            start = dict(counting.cursors)
            async with viewer_in(hosts[0], "wait=1") as viewer:
                streams = {name: to_builtins(cursor) for name, cursor in start.items()}
                data = {"topics": [{"symbol": "*"}], "streams": streams}
                await viewer.send(json.dumps({"type": "resume", "data": data}))
                await receive_until(viewer, counting, len(counting.events) + 20)
        assert "resumed" in counting.kinds
        stored = stored_sequences(hosts[0], contexts / "admin.json")
        for stream, sequences in stored.items():
            last = counting.cursors[stream].sequence
            assert counting.of(stream) == [
                each for each in sequences if counting.included[stream] < each <= last
            ]
