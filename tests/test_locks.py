"""The lock files are complete: pip never has to resolve a dependency (`--no-deps` in the launcher)."""

import functools
import importlib.metadata
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import NamedTuple

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_build import NODE_WHEEL
from tests.layout import ROOT

LOCK_FILES = ("requirements.lock", "requirements-dev.lock", "requirements-node.lock", "package-lock.json")
GROUPS_OF = {
    "requirements.lock": ("build",),
    "requirements-dev.lock": ("build", "dev"),
    "requirements-node.lock": ("node",),
}
"""Dependency groups of pyproject.toml that a lock contains."""
WITHOUT_RUNTIME = {"requirements-node.lock"}
"""Locks that do not contain `project.dependencies`."""
PLATFORMS = (
    {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux", "platform_machine": "x86_64"},
    {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin", "platform_machine": "arm64"},
    {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows", "platform_machine": "AMD64"},
)
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
_ENTRY = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))? \\\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
)
"""
    cffi==2.1.1 ; platform_python_implementation != 'PyPy' \\
        --hash=sha256:0123... \\
        --hash=sha256:4567...
"""


class Locked(NamedTuple):
    """One entry of a lock."""

    version: Version
    marker: Marker | None
    hashes: frozenset[str]


Environment = Mapping[str, str]
Lock = Mapping[str, Locked]
Metadata = Callable[[str], tuple[Requirement, ...]]
"""Returns the requirements of a distribution."""


def environments() -> Iterator[Environment]:
    """Yield the marker variables of CPython on each supported platform and version."""
    for platform, python in product(PLATFORMS, PYTHONS):
        yield {
            **platform,
            "python_version": python,
            "python_full_version": f"{python}.0",
            "implementation_name": "cpython",
            "implementation_version": f"{python}.0",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_version": "",
        }


def parse_lock(text: str) -> dict[str, Locked]:
    """Return the entries of a lock.

    Raises: ValueError for a line that is not part of an entry pinned with `==` and hashes.
    """
    lock, end = {}, 0
    for match in _ENTRY.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        hashes = frozenset(re.findall(r"sha256:([0-9a-f]{64})", match["hashes"]))
        lock[match["name"]] = Locked(
            Version(match["version"]), Marker(match["marker"]) if match["marker"] else None, hashes
        )
    if end != len(text):
        raise ValueError(f"not pinned with a hash: {text[end:].splitlines()[0]}")
    return lock


def gaps(roots: Iterable[Requirement], lock: Lock, metadata: Metadata) -> set[str]:
    """Return why pip would have to resolve something: missing or contradicting entries, in any environment."""
    found: set[str] = set()
    for environment in environments():
        waiting = [("pyproject.toml", root) for root in roots]
        seen: set[tuple[str, frozenset[str]]] = set()
        while waiting:
            parent, requirement = waiting.pop()
            name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
            if problem := _problem(requirement, lock.get(name), environment):
                found.add(f"{parent} requires {requirement}: {problem}")
            if (name, extras) in seen:
                continue
            seen.add((name, extras))
            label = f"{name}[{','.join(sorted(extras))}]" if extras else name
            waiting += [(label, child) for child in metadata(name) if _applies(child, extras, environment)]
    return found


def _problem(requirement: Requirement, locked: Locked | None, environment: Environment) -> str | None:
    if locked is None:
        return "not locked"
    if not requirement.specifier.contains(locked.version, prereleases=True):
        return f"locked at {locked.version}"
    if locked.marker and not locked.marker.evaluate(dict(environment)):
        return f"locked only for {locked.marker}"
    return None


def _applies(requirement: Requirement, extras: frozenset[str], environment: Environment) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in ["", *extras])


@functools.cache
def installed_requirements(name: str) -> tuple[Requirement, ...]:
    """Return the requirements of an installed distribution; none for one of another platform."""
    try:
        return tuple(map(Requirement, importlib.metadata.requires(name) or []))
    except importlib.metadata.PackageNotFoundError:
        return ()


def read_lock(file: str) -> dict[str, Locked]:
    return parse_lock((ROOT / file).read_text(encoding="utf-8"))


def declared(file: str) -> list[Requirement]:
    """Return the requirements in pyproject.toml that a lock is made of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = [] if file in WITHOUT_RUNTIME else project["project"]["dependencies"]
    grouped = [text for group in GROUPS_OF[file] for text in project["dependency-groups"][group]]
    return [Requirement(text) for text in (*runtime, *grouped)]


@pytest.mark.parametrize("file", GROUPS_OF)
def test_every_requirement_of_a_locked_distribution_is_locked(file: str) -> None:
    assert gaps(declared(file), read_lock(file), installed_requirements) == set()


def test_the_examined_metadata_is_that_of_the_locked_versions() -> None:
    wrong: dict[str, Version] = {}
    for name, locked in read_lock("requirements-dev.lock").items():
        if locked.marker is None or locked.marker.evaluate():
            version = Version(importlib.metadata.version(name))
            wrong |= {} if version == locked.version else {name: version}
    assert wrong == {}


def test_every_dependency_group_is_in_a_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert {group for groups in GROUPS_OF.values() for group in groups} == set(project["dependency-groups"])


def test_the_build_hook_uses_the_locked_node() -> None:
    assert [Requirement(NODE_WHEEL)] == declared("requirements-node.lock")


def test_the_development_lock_contains_the_runtime_lock() -> None:
    runtime, development = read_lock("requirements.lock"), read_lock("requirements-dev.lock")

    assert {name: development.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("file", LOCK_FILES)
def test_a_lock_contains_no_addresses(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")

    assert "://" not in text
    assert "resolved" not in text


HASH = f"    --hash=sha256:{'0' * 64}\n"
MADE_UP = {
    "app": ("plain>=1", "tool[toml]>=7"),
    "tool": ("tomli>=2; extra == 'toml'", "colour; sys_platform == 'win32'", "old; python_version < '3.11'"),
}
COMPLETE = {"plain": "1.0", "tool": "7.1", "tomli": "2.0", "colour": "1.0 ; sys_platform == 'win32'"}


def made_up_requirements(name: str) -> tuple[Requirement, ...]:
    return tuple(map(Requirement, MADE_UP.get(name, ())))


def made_up_lock(**changes: str | None) -> dict[str, Locked]:
    entries = {name: version for name, version in {**COMPLETE, **changes}.items() if version}
    return parse_lock("".join(f"{name}=={version} \\\n{HASH}" for name, version in entries.items()))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"tomli": None}, ['tool[toml] requires tomli>=2; extra == "toml": not locked']),
        ({"tomli": "1.9"}, ['tool[toml] requires tomli>=2; extra == "toml": locked at 1.9']),
        ({"colour": None}, ['tool[toml] requires colour; sys_platform == "win32": not locked']),
        (
            {"plain": "1.0 ; sys_platform == 'linux'"},
            ['pyproject.toml requires plain>=1: locked only for sys_platform == "linux"'],
        ),
    ],
)
def test_a_gap_is_found(changes: dict[str, str | None], found: list[str]) -> None:
    lock = made_up_lock(**changes)

    assert gaps(made_up_requirements("app"), lock, made_up_requirements) == set(found)


@pytest.mark.parametrize(
    "text", [f"a>=1 \\\n{HASH}", "a==1\n", f"a==1 \\\n{HASH}--index-url x\n", f"git+x \\\n{HASH}"]
)
def test_an_entry_without_exact_version_or_hash_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="not pinned with a hash"):
        parse_lock(text)
