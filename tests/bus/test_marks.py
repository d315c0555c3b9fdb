"""Marks of rare branches: each is declared and stands in the product, and what was never reached is listed."""

import ast
from collections.abc import Iterator

from bus import marks
from bus.marks import MARKS
from tests.layout import modules


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the text constants below a node."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def marks_of(tree: ast.Module) -> Iterator[str]:
    """Yield the marks of a module: those in calls of `reached`, and those in tables from which a call takes its mark."""
    calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
    arguments = [
        each.args[0] for each in calls if isinstance(each.func, ast.Name) and each.func.id == "reached"
    ]
    for argument in arguments:
        yield from texts(argument)
    if any(isinstance(each, ast.Subscript) for argument in arguments for each in ast.walk(argument)):
        tables = [each for each in ast.walk(tree) if isinstance(each, ast.Dict)]
        yield from (text for table in tables for value in table.values for text in texts(value))


def test_each_mark_is_declared_and_stands_somewhere() -> None:
    packages = ("bus", "producers", "engine")
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in modules(packages=packages).values())

    assert {name for tree in trees for name in marks_of(tree)} == set(MARKS)


def test_each_mark_is_described_by_a_sentence() -> None:
    assert [name for name, text in MARKS.items() if not (text[0].isupper() and text.endswith("."))] == []


def test_what_was_not_reached_often_enough_is_missing() -> None:
    marks.reset()
    for _ in range(2):
        marks.reached("no_space")
    found = marks.counts()

    assert found == {"no_space": 2}
    assert "no_space" not in marks.missing(found, least=2)
    assert "no_space" in marks.missing(found, least=3)
    marks.reset()
    assert marks.missing(marks.counts()) == list(MARKS)
