"""The systemd units: known settings only, hardened, one for each part."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.parser import GROUPS
from tests.layout import ROOT

FOLDER = ROOT / "deploy" / "systemd"
SERVICES = sorted(FOLDER.glob("*.service"))
MAX_EXPOSURE = 1.5
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_each_service_is_hardened(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    [exposure] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", found)

    assert float(exposure) <= MAX_EXPOSURE


@needs_systemd
def test_no_unit_has_an_unknown_setting() -> None:
    units = [str(unit).replace("@.", "@1.") for unit in (*SERVICES, *FOLDER.glob("*.target"))]
    found = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)

    # The programs are not installed where the tests run.
    ours = [
        line for line in found.stderr.splitlines() if "opensqt" in line and "is not executable" not in line
    ]
    assert ours == []


def test_each_part_has_a_service_that_starts_it() -> None:
    parts = {usage.split()[0] for usage in GROUPS["run a single part"]} | {"apply"}
    assert {re.split(r"[-@.]", unit.name)[1] for unit in SERVICES} == parts
    for unit in SERVICES:
        part = re.split(r"[-@.]", unit.name)[1]
        program = "nats-server" if part == "bus" else f"opensqt {part}"
        text = unit.read_text(encoding="utf-8")
        assert f"\nExecStart=/opt/opensqt/bin/{program} " in text, unit.name
        assert re.search(r"^MemoryMax=\d+[MG]$", text, re.MULTILINE), unit.name


def test_engines_stop_before_gateways_and_the_bus_last() -> None:
    def units(part: str) -> str:
        [unit] = FOLDER.glob(f"opensqt-{part}[.@]*service")
        return unit.read_text(encoding="utf-8")

    for part in ("engine", "gateway"):
        assert re.search(r"^Wants=.*opensqt-venues.target", units(part), re.MULTILINE)
        assert re.search(r"^After=.*opensqt-bus.service", units(part), re.MULTILINE)
    assert re.search(r"^After=.*opensqt-venues.target", units("engine"), re.MULTILINE)
    assert re.search(r"^Before=opensqt-venues.target", units("gateway"), re.MULTILINE)
