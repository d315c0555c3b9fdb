"""Mutation testing: one small change at a time to a module of the core, and whether a test notices.

`python -m tests.mutants slots accounting breaker` works on copies of `src`: the quick tests judge each mutant, and
the property tests those that survive them. See docs/mutation.md.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CORE = Path("engine/core")
SLOW = ("tests/engine/core/test_properties.py", "tests/engine/core/test_machine.py")
PATIENCE_S = 600.0
"""A mutant that makes the tests run longer than this is noticed."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    """A module with one change."""

    module: str
    line: int
    what: str
    source: str


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module of the core."""
    text = (ROOT / "src" / CORE / f"{module}.py").read_text()
    number = sum(len(_changes(node)) for node in ast.walk(ast.parse(text)))
    for index in range(number):
        tree = ast.parse(text)
        places = [(node, change) for node in ast.walk(tree) for change in _changes(node)]
        node, change = places[index]
        before = ast.unparse(node)
        _apply(node, change)
        yield Mutant(
            module, getattr(node, "lineno", 0), f"{before}  ->  {_shown(node, change)}", ast.unparse(tree)
        )


def _changes(node: ast.AST) -> list[str]:
    found = []
    match node:
        case ast.Compare():
            found = [f"compare {i}" for i, op in enumerate(node.ops) if type(op) in COMPARISONS]
        case ast.BinOp() | ast.AugAssign() if type(node.op) in OPERATORS:
            found = ["operator"]
        case ast.Call(func=ast.Name(id=name)) if name in NAMES:
            found = ["name"]
        case ast.Constant(value=bool() | int()):
            found = ["constant"]
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not() | ast.USub()) | ast.Return(value=ast.expr()):
            found = ["other"]
        case ast.Expr(value=ast.Call()) | ast.Assign():
            found = ["nothing"]
        case _:
            pass
    return found


def _apply(node: ast.AST, change: str) -> None:
    match node:
        case ast.Compare():
            index = int(change.split()[1])
            node.ops[index] = COMPARISONS[type(node.ops[index])]()
        case ast.BinOp() | ast.AugAssign():
            node.op = OPERATORS[type(node.op)]()
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.UnaryOp():
            node.operand = ast.UnaryOp(node.op, node.operand)
        case ast.Constant():
            node.value = not node.value if isinstance(node.value, bool) else int(str(node.value)) + 1
        case ast.Call(func=ast.Name() as name):
            name.id = NAMES[name.id]
        case _:
            _empty(node)
    ast.fix_missing_locations(node)


def _empty(node: ast.AST) -> None:
    match node:
        case ast.Return():
            node.value = ast.Constant(None)
        case ast.Expr():
            node.value = ast.Constant(...)
        case ast.Assign():
            node.targets, node.value = [ast.Name("_", ast.Store())], ast.Constant(None)
        case _:
            raise AssertionError(f"no change for {node}")


def _shown(node: ast.AST, change: str) -> str:
    return "(nothing)" if change == "nothing" else ast.unparse(node)


def is_noticed(mutant: Mutant, tests: list[str]) -> bool:
    """Tell whether a test fails, with the mutant in the place of its module."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("web", "__pycache__"))
        (source / CORE / f"{mutant.module}.py").write_text(mutant.source)
        environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-o",
            f"pythonpath={source} .",
        ]
        try:
            ended = subprocess.run(
                [*command, *tests],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                timeout=PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return True
    return ended.returncode != 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Try every mutant of the modules named; the exit code is 1 when one survives."""
    parser = argparse.ArgumentParser(prog="mutants", description="Does a test notice each small change?")
    parser.add_argument("modules", nargs="+", help="of engine/core, such as slots")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true", help="without the property tests")
    options = parser.parse_args()
    mutants = [each for module in options.modules for each in mutants_of(module)]
    quick = sorted(str(each.relative_to(ROOT)) for each in (ROOT / "tests" / CORE).glob("test_*.py"))
    stages = [[each for each in quick if each not in SLOW]] + ([] if options.quick else [list(SLOW)])
    unchanged = Mutant(
        options.modules[0], 0, "", (ROOT / "src" / CORE / f"{options.modules[0]}.py").read_text()
    )
    assert not is_noticed(unchanged, stages[0]), "the tests fail without any change"
    started, total = time.monotonic(), len(mutants)
    for tests in stages:
        with ThreadPoolExecutor(options.jobs) as pool:
            noticed = list(pool.map(partial(is_noticed, tests=tests), mutants))
        mutants = [each for each, is_killed in zip(mutants, noticed, strict=True) if not is_killed]
        _say(f"{total - len(mutants)} of {total} noticed after {time.monotonic() - started:.0f} s")
    for each in mutants:
        _say(f"{CORE / each.module}.py:{each.line}: {each.what}")
    return 1 if mutants else 0


if __name__ == "__main__":
    sys.exit(main())
