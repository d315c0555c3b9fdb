"""The repository's packages as data, for the tests of layout and imports."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "bus", "producers", "engine", "liveserver", "cli", "lab")


class Imported(NamedTuple):
    """One import statement: where it stands, and the full name of the module or member it names."""

    line: int
    name: str


def modules(root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> dict[str, Path]:
    """Return the file of each module; a package has the name of its folder."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(tree: ast.AST, package: str) -> Iterator[Imported]:
    """Yield each imported module or member, at any depth of the code, relative imports resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Imported(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            yield from (Imported(node.lineno, f"{source}.{alias.name}") for alias in node.names)
