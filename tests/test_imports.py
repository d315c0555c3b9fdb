"""Who may import whom: between the packages, from the standard library, and from third parties."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
CLOCKS_OF_DATETIME = {"now", "today", "utcnow"}


@dataclass(frozen=True)
class Rule:
    """What one part may import beside itself; `third` pairs a library with the modules that may."""

    ours: frozenset[str] = frozenset()
    third: tuple[tuple[str, str], ...] = ()
    no_standard: frozenset[str] = frozenset()
    is_deterministic: bool = False


def libraries(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, "*") for name in ("msgspec", *names))


IO = frozenset(
    {"asyncio", "http", "logging", "selectors", "socket", "ssl", "subprocess", "threading", "urllib"}
)
AMBIENT = IO | {"concurrent", "contextvars", "multiprocessing", "os", "random", "secrets", "time", "uuid"}
SPINE = frozenset({"schemas", "bus"})

RULES = {
    "schemas": Rule(third=libraries(), no_standard=IO),
    "bus": Rule(ours=frozenset({"schemas"}), third=libraries("nats", "uvloop", "prometheus_client")),
    "producers": Rule(ours=SPINE, third=(*libraries("aiohttp"), ("ccxt", "ccxt"))),
    "engine.core": Rule(
        ours=frozenset({"schemas"}), third=libraries(), no_standard=AMBIENT, is_deterministic=True
    ),
    "engine": Rule(ours=SPINE | {"engine.core"}, third=libraries()),
    "consumers": Rule(ours=SPINE, third=(*libraries(), ("duckdb", "archive"))),
    "liveserver": Rule(
        ours=SPINE,
        third=(
            *libraries("litestar", "uvicorn", "websockets"),
            ("jwt", "credentials"),
            ("cryptography", "credentials"),
        ),
    ),
}
COMPOSITION_ROOT = "opensqt"
OURS = {*RULES, COMPOSITION_ROOT}


def part_of(module: str) -> str | None:
    """Return the longest part that holds the module, None for one that is not ours."""
    return max((p for p in OURS if f"{module}.".startswith(f"{p}.")), key=len, default=None)


def imports_of(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Yield line and full name of every module or member imported, at any depth, relative ones resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def refusal(rule: Rule, part: str, module: str, imported: str) -> str | None:
    """Return why this import is not allowed, None where it is."""
    if target := part_of(imported):
        return None if target in {part, *rule.ours} else f"{part} must not import {target}"
    top = imported.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"{part} must not import {top}" if top in rule.no_standard else None
    where = dict(rule.third).get(top)
    if where is None:
        return f"{part} must not import {top}"
    is_here = where == "*" or where in module
    return None if is_here else f"only the {where} modules of {part} may import {top}"


def clock_readings(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that ask datetime what time it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS_OF_DATETIME:
            yield node.lineno


def violations(src: Path) -> list[str]:
    """Return every broken rule below src, as `file:line: why`."""
    found = []
    for path in sorted(src.rglob("*.py")):
        names = path.relative_to(src).with_suffix("").parts
        package, module = ".".join(names[:-1]), ".".join(names)
        part = part_of(module)
        if part is None or part == COMPOSITION_ROOT:
            continue
        rule, tree = RULES[part], ast.parse(path.read_text(encoding="utf-8"))
        reasons = [(line, refusal(rule, part, module, name)) for line, name in imports_of(tree, package)]
        if rule.is_deterministic:
            reasons += [(line, f"{part} must not read a clock") for line in clock_readings(tree)]
        found += [f"{'/'.join(names)}.py:{line}: {why}" for line, why in reasons if why]
    return found


def test_imports_point_one_way() -> None:
    assert violations(SRC) == []


def test_every_package_has_a_rule() -> None:
    packages = {path.parent.name for path in SRC.glob("*/__init__.py")}

    assert packages <= OURS


@pytest.mark.parametrize(
    ("file", "source", "why"),
    [
        ("schemas/a.py", "import bus", "schemas must not import bus"),
        ("schemas/a.py", "import asyncio", "schemas must not import asyncio"),
        ("schemas/a.py", "import nats.errors", "schemas must not import nats"),
        ("bus/a.py", "def f():\n    from engine import actor", "bus must not import engine"),
        ("producers/a.py", "from liveserver.hub import Hub", "producers must not import liveserver"),
        ("producers/market.py", "import ccxt.pro", "only the ccxt modules of producers may import ccxt"),
        ("engine/actor.py", "import opensqt", "engine must not import opensqt"),
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
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, source: str, why: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)

    assert violations(tmp_path) == [f"{file}:{source.count(chr(10)) + 1}: {why}"]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("bus/a.py", "import nats.js\nfrom schemas import Ticker\nfrom . import connect"),
        ("producers/ccxt_market.py", "import ccxt.pro"),
        ("engine/actor.py", "from engine import core\nfrom engine.core import step\nimport asyncio"),
        ("engine/core/a.py", "from .grid import Grid\nfrom schemas.units import Ticks\nimport decimal"),
        ("opensqt/up.py", "import yaml, engine.app, liveserver.app, anything"),
    ],
)
def test_an_allowed_import_passes(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)

    assert violations(tmp_path) == []
