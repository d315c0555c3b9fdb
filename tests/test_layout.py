"""Limits of the layout: modules in a folder, lines in a file, no import cycles among the children of a folder."""

import ast
from collections import Counter, defaultdict
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.layout import PACKAGES, ROOT, imports_of, modules

MAX_MODULES = 15
"""In one folder, not counting `__init__` and `__main__`."""
MAX_LINES = 360
PAGE = ROOT / "liveserver" / "web"


def cycles(files: Mapping[str, Path]) -> list[str]:
    """Return the import cycles among the modules and subfolders of each folder, as `folder: a -> b -> a`.

    Imports of names that a package re-exports in its `__init__` are not followed.
    """
    graphs: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module, path in files.items():
        if path.name == "__init__.py":
            continue
        for imported in imports_of(ast.parse(path.read_text(encoding="utf-8")), module.rpartition(".")[0]):
            target = imported.name if imported.name in files else imported.name.rpartition(".")[0]
            if target in files and files[target].name != "__init__.py":
                _add_edge(graphs, module.split("."), target.split("."))
    found = []
    for folder, graph in sorted(graphs.items()):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            found.append(f"{folder or 'root'}: {' -> '.join(error.args[1])}")
    return found


def _add_edge(graphs: dict[str, dict[str, set[str]]], source: list[str], target: list[str]) -> None:
    depth = next((i for i, (a, b) in enumerate(zip(source, target, strict=False)) if a != b), None)
    if depth is not None:
        graphs[".".join(source[:depth])][source[depth]].add(target[depth])


def test_no_folder_has_too_many_modules() -> None:
    counts = Counter(path.parent for path in modules().values() if not path.name.startswith("__"))
    counts += Counter(path.parent for path in PAGE.rglob("*.js") if "vendor" not in path.parts)
    assert {str(folder): count for folder, count in counts.items() if count > MAX_MODULES} == {}


def test_no_file_is_too_long() -> None:
    files = [*modules(packages=(*PACKAGES, "tests")).values(), *PAGE.rglob("*.js")]
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files
        if "vendor" not in path.parts
    }
    assert {path: count for path, count in lengths.items() if count > MAX_LINES} == {}


def test_the_folder_graph_is_acyclic() -> None:
    assert cycles(modules()) == []


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        ({"bus/a.py": "from bus import b", "bus/b.py": "import bus.a"}, "bus"),
        ({"bus/x/a.py": "from bus.y.b import c", "bus/y/b.py": "import bus.x.d", "bus/x/d.py": ""}, "bus"),
        ({"bus/x/a.py": "import bus.x.b", "bus/x/b.py": "import bus.x.a"}, "bus.x"),
    ],
)
def test_a_cycle_is_found(tmp_path: Path, files: dict[str, str], folder: str) -> None:
    write(tmp_path, files)

    assert [each.partition(":")[0] for each in cycles(modules(tmp_path, ("bus",)))] == [folder]


def test_imports_in_one_direction_are_no_cycle(tmp_path: Path) -> None:
    write(tmp_path, {"bus/x/a.py": "from bus.y.b import c", "bus/y/b.py": "c = 1"})

    assert cycles(modules(tmp_path, ("bus",))) == []


def write(root: Path, files: dict[str, str]) -> None:
    for name, source in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(source)
