"""Docstrings of struct fields and type aliases, parsed from the source."""

import ast
import inspect
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from schemas import units

E = TypeVar("E", bound=Enum)


def field_docs(kind: type) -> dict[str, str]:
    """Return the docstrings of a struct's fields by name, those of its bases included.

    The docstring of a unit (`Price`, `TimeNs`: see `schemas.units`) follows that of the field.
    """
    docs: dict[str, str] = {}
    for each in reversed(inspect.getmro(kind)):
        if each.__module__.partition(".")[0] in {"builtins", "msgspec"}:
            continue
        for node, doc in _documented(_class_body(each)):
            if isinstance(node, ast.AnnAssign):
                parts = [doc, *_units_of(node.annotation)]
                docs[_name(node)] = " ".join(part for part in parts if part)
    return docs


def member_docs(kind: type[E]) -> dict[E, str]:
    """Return the docstring of each member of an enum; empty for one without."""
    docs = {_name(node): doc for node, doc in _documented(_class_body(kind))}
    return {member: docs[member.name] for member in kind}


def one_line_doc(kind: type) -> str:
    """Return the docstring of a class as one line."""
    return _one_line(inspect.getdoc(kind) or "")


def _units_of(annotation: ast.expr) -> Iterator[str]:
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name) and node.id in (docs := _unit_docs()):
            yield docs[node.id]


@cache
def _unit_docs() -> dict[str, str]:
    body = _module(Path(units.__file__)).body
    return {
        _name(node): doc
        for node, doc in _documented(body)
        if doc and isinstance(node, ast.Assign | ast.AnnAssign) and not _name(node).isupper()
    }


def _documented(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each statement that assigns a name, with the docstring after it."""
    for node, following in pairwise([*body, ast.Pass()]):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            yield node, _docstring(following)


def _docstring(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return _one_line(str(node.value.value))
    return ""


def _name(node: ast.stmt) -> str:
    target = node.target if isinstance(node, ast.AnnAssign) else None
    if isinstance(node, ast.Assign):
        target = node.targets[0] if isinstance(node.targets[0], ast.Name) else None
    return target.id if isinstance(target, ast.Name) else ""


def _class_body(kind: type) -> Sequence[ast.stmt]:
    for node in _module(Path(inspect.getfile(kind))).body:
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            return node.body
    return ()


@cache
def _module(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _one_line(text: str) -> str:
    return " ".join(text.split())
