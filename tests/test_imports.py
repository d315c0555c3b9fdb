"""Allowed imports of each package: own packages, standard library and third-party libraries."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.layout import PACKAGES, ROOT, imports_of, modules

DATETIME_CLOCKS = {"now", "today", "utcnow"}
"""Class methods of `datetime` that read the clock."""


@dataclass(frozen=True)
class Rule:
    """The imports that a package may have besides its own modules."""

    own: frozenset[str] = frozenset()
    """Packages and modules of this repository, each with its submodules."""
    third_party: tuple[tuple[str, str], ...] = ()
    """Libraries, each with a substring of the names of the modules that may import it; `*` means all modules."""
    no_standard: frozenset[str] = frozenset()
    """Modules of the standard library that are forbidden."""
    is_deterministic: bool = False
    """Whether reading the clock is forbidden."""


def libraries(*names: str) -> tuple[tuple[str, str], ...]:
    """Return msgspec and other libraries, allowed in all modules."""
    return tuple((name, "*") for name in ("msgspec", *names))


IO = frozenset(
    {"asyncio", "http", "logging", "selectors", "socket", "ssl", "subprocess", "threading", "urllib"}
)
AMBIENT = IO | {"concurrent", "contextvars", "multiprocessing", "os", "random", "secrets", "time", "uuid"}
BASE = frozenset({"schemas", "bus"})

RULES = {
    "schemas": Rule(third_party=libraries(), no_standard=IO),
    "bus": Rule(
        own=frozenset({"schemas"}),
        third_party=(
            *libraries("nats", "uvloop", "prometheus_client"),
            ("nkeys", "secure.keys"),
            ("cryptography", "secure.certificates"),
        ),
    ),
    "producers": Rule(own=BASE, third_party=(*libraries("aiohttp"), ("ccxt", "ccxt"))),
    "engine.core": Rule(
        own=frozenset({"schemas"}), third_party=libraries(), no_standard=AMBIENT, is_deterministic=True
    ),
    "engine": Rule(own=BASE | {"engine.core"}, third_party=libraries()),
    "liveserver": Rule(
        own=BASE,
        third_party=(
            *libraries("litestar", "uvicorn", "websockets"),
            ("jwt", "credentials"),
            ("cryptography", "credentials"),
        ),
    ),
    "cli": Rule(
        own=BASE
        | {
            "engine.core",
            # `opensqt migrate` does what the engine does at its first start.
            "engine.portfolio.migration",
            "liveserver.auth",
            # `opensqt schema --live` generates a document from the structs.
            "liveserver.protocol",
            "liveserver.settings",
            "liveserver.websocket.context",
            "producers.ports",
            "producers.simulated",
        },
        third_party=(*libraries("aiohttp"), ("yaml", "cli.config")),
    ),
    "lab": Rule(
        own=BASE
        | {"engine", "engine.core", "liveserver", "producers"}
        | {
            f"cli.{each}"
            for each in ("apply", "background", "config", "console", "errors", "inspect", "stack")
        },
        third_party=libraries("aiohttp", "litestar", "nats", "uvicorn", "uvloop", "websockets"),
    ),
}


def is_below(module: str, package: str) -> bool:
    """Return whether a module is the package itself or one of its submodules."""
    return f"{module}.".startswith(f"{package}.")


def package_of(module: str) -> str | None:
    """Return the innermost package with a rule that contains the module, None for a foreign module."""
    return max((each for each in RULES if is_below(module, each)), key=len, default=None)


def forbidden(rule: Rule, package: str, module: str, imported: str) -> str | None:
    """Return why an import is forbidden, None if it is allowed."""
    if target := package_of(imported):
        is_allowed = target == package or any(is_below(imported, each) for each in rule.own)
        return None if is_allowed else f"{package} must not import {target}"
    top = imported.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"{package} must not import {top}" if top in rule.no_standard else None
    allowed_in = dict(rule.third_party).get(top)
    if allowed_in is None:
        return f"{package} must not import {top}"
    is_allowed = allowed_in == "*" or allowed_in in module
    return None if is_allowed else f"only the {allowed_in} modules of {package} may import {top}"


def clock_reads(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that read the clock with `datetime.now` or the like."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in DATETIME_CLOCKS:
            yield node.lineno


def violations(root: Path) -> list[str]:
    """Return every forbidden import in the packages of a repository, as `file:line: reason`."""
    found = []
    for module, path in modules(root).items():
        names = path.relative_to(root).with_suffix("").parts
        package = package_of(module)
        assert package is not None
        rule, tree = RULES[package], ast.parse(path.read_text(encoding="utf-8"))
        imports = imports_of(tree, ".".join(names[:-1]))
        reasons = [(line, forbidden(rule, package, ".".join(names), name)) for line, name in imports]
        if rule.is_deterministic:
            reasons += [(line, f"{package} must not read a clock") for line in clock_reads(tree)]
        found += [f"{'/'.join(names)}.py:{line}: {reason}" for line, reason in reasons if reason]
    return found


def test_imports_point_one_way() -> None:
    assert violations(ROOT) == []


def test_every_package_has_a_rule() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert packages == set(PACKAGES) == {each for each in RULES if "." not in each}


@pytest.mark.parametrize(
    ("file", "source", "reason"),
    [
        ("schemas/a.py", "import bus", "schemas must not import bus"),
        ("schemas/a.py", "import asyncio", "schemas must not import asyncio"),
        ("schemas/a.py", "import nats.errors", "schemas must not import nats"),
        ("bus/a.py", "def f():\n    from engine import actor", "bus must not import engine"),
        ("producers/a.py", "from liveserver.hub import Hub", "producers must not import liveserver"),
        ("producers/market.py", "import ccxt.pro", "only the ccxt modules of producers may import ccxt"),
        ("engine/actor.py", "import cli", "engine must not import cli"),
        ("cli/a.py", "from lab.chaos import runner", "cli must not import lab"),
        ("cli/a.py", "from engine.actor import actor", "cli must not import engine"),
        ("lab/a.py", "from cli.commands import up", "lab must not import cli"),
        ("engine/actor.py", "import prometheus_client", "engine must not import prometheus_client"),
        ("engine/core/a.py", "from .. import actor", "engine.core must not import engine"),
        ("engine/core/a.py", "from engine import journal", "engine.core must not import engine"),
        ("engine/core/a.py", "from bus import publish", "engine.core must not import bus"),
        ("engine/core/a.py", "from time import time_ns", "engine.core must not import time"),
        (
            "engine/core/a.py",
            "import datetime\nx = datetime.datetime.now()",
            "engine.core must not read a clock",
        ),
        ("liveserver/a.py", "import aiohttp", "liveserver must not import aiohttp"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, source: str, reason: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)

    assert violations(tmp_path) == [f"{file}:{source.count(chr(10)) + 1}: {reason}"]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("bus/a.py", "import nats.js\nfrom schemas import Ticker\nfrom . import connect"),
        ("producers/ccxt_market.py", "import ccxt.pro"),
        ("engine/actor.py", "from engine import core\nfrom engine.core import step\nimport asyncio"),
        ("engine/core/a.py", "from .grid import Grid\nfrom schemas.units import Ticks\nimport decimal"),
        (
            "cli/config/a.py",
            "import yaml, liveserver.settings\nfrom producers.simulated.settings import VenueSettings",
        ),
        ("lab/a.py", "from cli.stack.stack import running\nimport engine.app"),
    ],
)
def test_an_allowed_import_passes(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)

    assert violations(tmp_path) == []
