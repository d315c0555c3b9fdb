"""Generate the mutants of a module of `engine.core`: one small change to one statement each."""

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CORE = Path(__file__).resolve().parents[2] / "engine" / "core"

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
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
REMOVED = "(removed)"


class Mutant(NamedTuple):
    """A top-level statement of a module with one change in it, such as `a < b  ->  a <= b`."""

    module: str
    line: int
    name: str
    """Name of the function, class or constant that the statement defines."""
    description: str
    statement: ast.stmt


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module of the core."""
    for statement in ast.parse(Path(file_of(module)).read_text()).body:
        match statement:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                pass
            case _:
                continue  # imports and docstrings
        for index, (node, change) in enumerate(_places(statement)):
            if node is statement:
                continue  # removing the whole statement would break imports
            mutated = copy.deepcopy(statement)
            place, _ = _places(mutated)[index]
            assert isinstance(place, ast.expr | ast.stmt)
            _apply(place, change)
            ast.fix_missing_locations(mutated)
            after = REMOVED if change == "remove" else ast.unparse(place)
            description = f"{_first_line(node)}  ->  {_first_line_of(after)}"
            yield Mutant(module, place.lineno, name, description, mutated)


def file_of(module: str) -> str:
    """Return the path of a module of the core: `orders.slots` is `engine/core/orders/slots.py`."""
    return str(CORE.joinpath(*module.split(".")).with_suffix(".py"))


def _first_line(node: ast.AST) -> str:
    return _first_line_of(ast.unparse(node))


def _first_line_of(text: str) -> str:
    return text.partition("\n")[0]


def _places(statement: ast.stmt) -> list[tuple[ast.AST, str]]:
    types = {id(each) for node in ast.walk(statement) for hint in _hints(node) for each in ast.walk(hint)}
    # Of a class only its methods: the members of an enum are names.
    parts = (
        [each for each in statement.body if isinstance(each, ast.FunctionDef)]
        if isinstance(statement, ast.ClassDef)
        else [statement]
    )
    nodes = [node for part in parts for node in ast.walk(part) if id(node) not in types]
    return [(node, change) for node in nodes for change in _changes(node)]


def _hints(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.AnnAssign(annotation=hint) | ast.arg(annotation=ast.expr() as hint):
            return [hint]
        case ast.FunctionDef(returns=ast.expr() as hint):
            return [hint]
        case _:
            return []


def _changes(node: ast.AST) -> list[str]:  # noqa: C901 - a table
    found: list[str] = []
    match node:
        case ast.Compare():
            found = [f"compare {i}" for i, op in enumerate(node.ops) if type(op) in COMPARISONS]
        case ast.BinOp() if type(node.op) in OPERATORS:
            found = ["operator"]
        case ast.AugAssign():
            found = ["remove", *(["operator"] if type(node.op) in OPERATORS else [])]
        case ast.Call(func=ast.Name(id=name)) if name in NAMES:
            found = ["name"]
        case ast.Call(func=ast.Name(id="Decimal"), args=[ast.Constant(value=str())]):
            found = ["amount"]
        case ast.Constant(value=bool() | int()):
            found = ["constant"]
        case ast.BoolOp():
            found = ["other", *(f"without {i}" for i in range(len(node.values)))]
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            found = ["other"]
        case ast.Return(value=ast.expr() as value) if not _is_plain(value):
            found = ["other"]
        case ast.If() | ast.IfExp() | ast.While() if isinstance(
            node.test, ast.Name | ast.Attribute | ast.Call
        ):
            found = ["test"]
        case ast.Expr(value=ast.Call()) | ast.Assign() | ast.Delete() | ast.Continue():
            found = ["remove"]
        case _:
            pass
    return found


def _is_plain(value: ast.expr) -> bool:
    # The type checker detects None instead of a bool, and the constant itself has a mutant of its own.
    return isinstance(value, ast.Constant) and (value.value is None or isinstance(value.value, bool))


def _apply(node: ast.AST, change: str) -> None:  # noqa: C901 - a table
    kind, _, index = change.partition(" ")
    match node:
        case ast.Compare():
            node.ops[int(index)] = COMPARISONS[type(node.ops[int(index)])]()
        case ast.BinOp() | ast.AugAssign() if kind == "operator":
            node.op = OPERATORS[type(node.op)]()
        case ast.BoolOp() if kind == "without":
            del node.values[int(index)]
            if len(node.values) == 1:
                _become(node, node.values[0])
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.UnaryOp():
            node.operand = ast.UnaryOp(node.op, node.operand)
        case ast.Constant():
            node.value = not node.value if isinstance(node.value, bool) else int(str(node.value)) + 1
        case ast.Call(func=ast.Name() as name) if kind == "name":
            name.id = NAMES[name.id]
        case ast.Call():
            node.args = [ast.BinOp(node.args[0], ast.Add(), ast.Constant("1"))]
        case ast.If() | ast.IfExp() | ast.While():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.Return():
            node.value = ast.Constant(None)
        case _:
            _become(node, ast.copy_location(ast.Expr(ast.Constant(...)), node))


def _become(node: ast.AST, other: ast.AST) -> None:
    # In place, because other nodes hold a reference to it.
    node.__class__ = other.__class__
    node.__dict__ = vars(other)
