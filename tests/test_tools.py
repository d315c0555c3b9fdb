"""The checks of `just files`, and the reproducible wheel of `just build`."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hatch_build import FILES, VENDOR, locked_version
from tests.layout import PACKAGES, ROOT, copy_repository

CHECK_FILES = ROOT / ".ci" / "check_files.py"


def check(folder: Path, name: str, content: bytes) -> list[str]:
    (folder / name).write_bytes(content)
    command = [sys.executable, str(CHECK_FILES), name]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    ).stdout.splitlines()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", b"a \n", "a.txt:1: trailing white space"),
        ("a.txt", b"a\n\tb\t\n", "a.txt:2: trailing white space"),
        ("a.txt", b"a\r\n", "a.txt:1: line ends with CR"),
        ("a.txt", b"a", "a.txt:1: no newline at the end of the file"),
        ("a.txt", b"a\n\n", "a.txt:2: empty line at the end of the file"),
        ("a.txt", b"\n\xff\n", "a.txt:2: not UTF-8"),
        ("a.json", b"{\n,}\n", "a.json:2: not JSON: Expecting property name enclosed in double quotes"),
        ("a.yml", b"a: [\n", "a.yml:2: not YAML: expected the node content, but found '<stream end>'"),
    ],
)
def test_a_problem_of_a_file_is_reported(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    assert check(tmp_path, name, content) == [problem]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"a\n\nb\n"),
        ("a.json", b"{}\n"),
        ("a.yaml", b"a: 1\n---\nb: 2\n"),
        ("a.png", b"\0 \n\n"),
        ("a", b""),
    ],
)
def test_a_valid_file_passes(tmp_path: Path, name: str, content: bytes) -> None:
    assert check(tmp_path, name, content) == []


def build(folder: Path, *, umask: int) -> Path:
    """Build the wheel of a copy of the repository, which has other times and modes than the original."""
    copy_repository(folder, umask=umask)
    vendor = folder / VENDOR
    vendor.mkdir(parents=True)
    for name in FILES.values():
        (vendor / name).write_text(name)
    (vendor / ".stamp").write_text(locked_version(str(folder)))
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": tools,
        "OPENSQT_ROOT": str(folder),
        "SOURCE_DATE_EPOCH": "1700000000",
    }
    just = shutil.which("just", path=tools)
    assert just is not None
    subprocess.run([just, "build"], cwd=folder, env=environment, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.mark.slow
def test_two_builds_are_equal_and_contain_the_packages_and_the_page(tmp_path: Path) -> None:
    one, other = build(tmp_path / "one", umask=0o022), build(tmp_path / "other", umask=0o077)

    assert (one.name, one.read_bytes()) == (other.name, other.read_bytes())
    names = zipfile.ZipFile(one).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)
    assert {"liveserver/web/vendor/lightweight-charts.mjs", "cli/config/default.yaml"} <= set(names)
