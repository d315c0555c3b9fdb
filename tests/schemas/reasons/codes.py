"""The codes that the code base can emit, found in its syntax trees."""

import ast
from collections.abc import Iterator
from functools import cache

from bus.parts.alerts import CODES
from tests.layout import modules

PASSED_ON = {"code", "reason"}
"""Parameters of the functions that build an event: their callers are found themselves."""
COMPUTED = {
    "CODES[part.state]": set(CODES.values()),
    "stop.name": set[str](),  # found where a `Stop` is made
    "halt.guard": set[str](),  # the name of a stop
    "alert.code": set[str](),  # of an alert that was raised before
}
"""The values of expressions that are neither a literal nor a constant."""


def alert_codes() -> set[str]:
    """Return the code of every alert."""
    return set(_codes({"alert": 1, "_alert": 0}, "AlertRaised", "code"))


def guard_codes() -> set[str]:
    """Return the name of every guard."""
    return set(_codes({"risk": 1, "Stop": 0}, "RiskChanged", "reason"))


def logged_events() -> set[str]:
    """Return the literals in the code of the parts, among them the names of all logged events."""
    return {
        node.value
        for tree in _trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _codes(methods: dict[str, int], event: str, field: str) -> Iterator[str]:
    for tree in _trees().values():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name == event:
                found = [each.value for each in call.keywords if each.arg == field]
            elif name in methods and len(call.args) >= 3:
                found = [call.args[methods[name]]]
            else:
                continue
            for expression in found:
                yield from _values(expression)


def _values(expression: ast.expr) -> set[str]:
    text = ast.unparse(expression)
    if isinstance(expression, ast.Constant):
        return {str(expression.value)}
    if text in PASSED_ON:
        return set()
    if text in COMPUTED:
        return COMPUTED[text]
    constants = _constants()
    assert text in constants, f"the values of {text} are unknown: add it to COMPUTED"
    return constants[text]


@cache
def _trees() -> dict[str, ast.Module]:
    packages = ("engine", "bus", "producers", "cli", "liveserver")
    return {
        name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules(packages=packages).items()
    }


@cache
def _constants() -> dict[str, set[str]]:
    """Return the values of the module constants by their names."""
    found: dict[str, set[str]] = {}
    for tree in _trees().values():
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(value))):
                    found.setdefault(name, set()).add(value)
    return found
