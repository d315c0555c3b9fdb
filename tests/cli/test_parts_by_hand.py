"""The lines of docs/deploy.md, word for word, each time in a network namespace of their own."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bus.service.embedded_server import find_nats_server
from tests.layout import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

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


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("unshare") or not has_namespaces(),
    reason="needs root and the commands unshare and ip, for a network of its own",
)
@pytest.mark.parametrize("number", [0, 1])
def test_parts_started_from_the_documentation_trade(tmp_path: Path, number: int) -> None:
    prepare(tmp_path)
    *lines, status = blocks("Parts without `up`")[number].rstrip().split("\n")
    script = "\n".join(["ip link set lo up", *lines, UNTIL_FINE.format(status=status)])
    process = subprocess.Popen(
        ["unshare", "--net", "bash", "-euc", script],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "log").open("wb"),
        text=True,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=240)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    rows = [line.split() for line in out.splitlines()]
    assert sum(row[:1] == ["liveserver"] for row in rows) == 2
    traded = {row[0]: int(row[row.index("yes") - 6]) for row in rows if "yes" in row}
    assert traded.keys() == {"BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT"}
