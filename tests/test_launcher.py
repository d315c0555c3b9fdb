"""The launcher `./opensqt`: it installs exactly the locked versions, once, and then runs the command."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.layout import ROOT, copy_repository

INSTALLED_FILES = (
    "opensqt",
    "pyproject.toml",
    "hatch_build.py",
    "package.json",
    "package-lock.json",
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-node.lock",
)
FAKE_PYTHON = f"""#!/bin/sh
case "$1 $2" in
    '-m venv') mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && echo venv >>"$CALLS" ;;
    '-m pip')
        shift 2
        echo "pip $*" >>"$CALLS"
        case "$1" in
            check) ! rm "$CALLS.conflict" 2>/dev/null ;;
            --version) ;;
            *) [ ! -e "$CALLS.failure" ] ;;
        esac ;;
    *) exec {sys.executable} "$@" ;;
esac
"""
"""Records the calls of venv and pip instead of executing them. `pip check` fails if CALLS.conflict exists, and
deletes it; `pip install` fails while CALLS.failure exists."""


class Launcher:
    """A copy of the launcher with a fake Python."""

    def __init__(self, root: Path, tools: Path) -> None:
        self.root = root
        self._calls = tools / "calls"
        self._environment = {"PATH": f"{tools}:/usr/bin:/bin", "CALLS": str(self._calls), "HOME": str(tools)}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / "opensqt"), *arguments],
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """Return the calls since the last time."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return [line.replace(str(self.root), "ROOT") for line in lines]

    def make(self, name: str) -> None:
        """Make the next `pip check` or every `pip install` fail: `conflict` or `failure`."""
        self._calls.with_name(f"calls.{name}").touch()

    def finish_installation(self) -> None:
        """Create what the fake pip did not: the command and the page's libraries."""
        executable(self.root / ".venv" / "bin" / "opensqt", '#!/bin/sh\necho "opensqt $*"\n')
        executable(self.root / ".venv" / "bin" / "just", '#!/bin/sh\necho "just $*"\n')
        stamp = self.root / "liveserver" / "web" / "vendor" / ".stamp"
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def install_calls(lock: str) -> list[str]:
    return [
        f"pip install -qq --no-deps --require-hashes -r ROOT/{lock}",
        "pip check",
        "pip install -qq --no-deps --no-build-isolation -e ROOT",
    ]


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    root, tools = tmp_path / "a repository", tmp_path / "tools"
    root.mkdir()
    tools.mkdir()
    for name in INSTALLED_FILES:
        shutil.copy(ROOT / name, root)
    executable(tools / "python3", FAKE_PYTHON)
    executable(tools / "npm", "#!/bin/sh\n")
    return Launcher(root, tools)


@pytest.mark.parametrize(
    ("command", "lock"),
    [("dev", "requirements-dev.lock"), ("check", "requirements-dev.lock"), ("up", "requirements.lock")],
)
def test_the_lock_is_installed_without_resolving_dependencies(
    launcher: Launcher, command: str, lock: str
) -> None:
    launcher.run(command)

    assert launcher.calls() == ["venv", *install_calls(lock)]


def test_an_installation_is_not_repeated(launcher: Launcher) -> None:
    launcher.run("dev")
    launcher.finish_installation()
    launcher.calls()

    assert launcher.run("status", "--json").stdout == "opensqt status --json\n"
    assert launcher.run("check").stdout == f"just --justfile {launcher.root}/justfile check\n"
    assert launcher.run("dev").returncode == 0
    assert launcher.calls() == []


@pytest.mark.parametrize(
    "name", [name for name in INSTALLED_FILES if name not in {"opensqt", "requirements-node.lock"}]
)
def test_a_changed_file_causes_an_installation(launcher: Launcher, name: str) -> None:
    launcher.run("dev")
    launcher.finish_installation()
    launcher.calls()
    with (launcher.root / name).open("a") as file:
        file.write("\n")

    launcher.run("dev")

    changed_the_lock_in_use = name != "requirements.lock"
    expected = ["pip --version", *install_calls("requirements-dev.lock")] if changed_the_lock_in_use else []
    assert launcher.calls() == expected


def test_conflicting_packages_cause_a_new_environment(launcher: Launcher) -> None:
    launcher.make("conflict")

    ended = launcher.run("dev")

    lock, check, project = install_calls("requirements-dev.lock")
    assert launcher.calls() == ["venv", lock, check, "venv", lock, check, project]
    assert "the installed packages conflict" in ended.stderr


def test_a_failed_installation_is_reported_and_repeated(launcher: Launcher) -> None:
    launcher.make("failure")
    ended = launcher.run("up")

    assert ended.returncode == 1
    assert "could not install requirements.lock" in ended.stderr
    first = launcher.calls()
    launcher.finish_installation()
    launcher.run("up")
    assert launcher.calls()[-1:] == first[-1:] == install_calls("requirements.lock")[:1]


@pytest.mark.parametrize("python", ["/bin/false", "/no/such/python"])
def test_an_unusable_python_is_rejected(launcher: Launcher, python: str) -> None:
    ended = launcher.run("up", PYTHON=python)

    assert ended.returncode == 1
    assert f"Python 3.11 or newer is required; PYTHON={python} is not found" in ended.stderr
    assert launcher.calls() == []


def test_a_symbolic_link_finds_the_repository(launcher: Launcher, tmp_path: Path) -> None:
    link = tmp_path / "opensqt"
    link.symlink_to(launcher.root / "opensqt")
    launcher.run("up")
    launcher.finish_installation()

    ended = subprocess.run([str(link), "status"], capture_output=True, text=True, check=False)

    assert ended.stdout == "opensqt status\n"


NEWER = ("coverage", "msgspec", "pytest")
"""Packages that the additional index offers in a version newer than the locked one."""


def write_index(folder: Path) -> None:
    """Write a package index (PEP 503) with empty wheels of version 9999.0."""
    for name in NEWER:
        file = f"{name}-9999.0-py3-none-any.whl"
        data, info = io.BytesIO(), f"{name}-9999.0.dist-info"
        with zipfile.ZipFile(data, "w") as wheel:
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9999.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        page = folder / "simple" / name
        page.mkdir(parents=True)
        (page / file).write_bytes(data.getvalue())
        digest = hashlib.sha256(data.getvalue()).hexdigest()
        (page / "index.html").write_text(f'<!DOCTYPE html><a href="{file}#sha256={digest}">{file}</a>')


@contextmanager
def serving(folder: Path, requests: list[str]) -> Iterator[str]:
    """Serve a folder on a free port; yield the address, and record the paths that are requested."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            requests.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def locked_versions() -> dict[str, str]:
    text = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    return {
        name: version
        for name, version in re.findall(r"^([a-z0-9-]+)==([^ ]+)", text, re.MULTILINE)
        if name in NEWER
    }


def installed_versions(root: Path) -> dict[str, str]:
    code = f"from importlib.metadata import version; [print(each, version(each)) for each in {NEWER!r}]"
    command = [str(root / ".venv" / "bin" / "python"), "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in printed.splitlines())


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_locked_versions_are_installed_although_an_index_has_newer_ones(tmp_path: Path) -> None:
    root, index, requests = tmp_path / "repository", tmp_path / "index", list[str]()
    copy_repository(root)
    write_index(index)
    keep = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "OPENSQT_ROOT", "PYTHON"}
    }
    with serving(index, requests) as address:
        environment = {**keep, "PIP_EXTRA_INDEX_URL": f"{address}/simple/"}
        command = [str(root / "opensqt"), "dev"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    assert {f"/simple/{name}/" for name in NEWER} <= set(requests)
    assert installed_versions(root) == locked_versions()
