"""The repository as data: its packages, modules and imports, and a copy of its tracked files."""

import ast
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "bus", "producers", "engine", "liveserver", "cli", "lab")


class Imported(NamedTuple):
    """An imported module or member, with its full name, and the line of the statement."""

    line: int
    name: str


def modules(root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> dict[str, Path]:
    """Return the file of each module by its dotted name; that of a package is its `__init__.py`."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(tree: ast.AST, package: str) -> Iterator[Imported]:
    """Yield all imports, also inside of functions; relative ones are resolved against `package`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Imported(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            yield from (Imported(node.lineno, f"{source}.{alias.name}") for alias in node.names)


def copy_repository(folder: Path, *, umask: int = 0o022) -> None:
    """Write the files that git tracks, with their current content, into an empty folder."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod((0o777 if os.access(source, os.X_OK) else 0o666) & ~umask)
