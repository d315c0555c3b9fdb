"""Mutation testing: one small change at a time to a module of the core, and whether a test notices.

`python -m tests.mutants slots accounting breaker` imports and collects everything once, runs all tests without a change in
a fork of itself, and then each mutant in a fork of its own, whose function it puts in the place of the right one. Of a
mutant only those tests run that reach its function: the nearest first, the property tests last. See docs/mutation.md.
"""

import argparse
import ast
import copy
import importlib
import inspect
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import NamedTuple

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
TESTS = "tests/engine/core"
PROPERTY = ("test_properties.py", "test_machine.py")
EXAMPLES = 25
"""Of a property test, for a mutant that all other tests let pass."""

OWN_SETTINGS = "_hypothesis_internal_use_settings"
PATIENCE = 10.0
"""A mutant that takes this many times the CPU of all tests hangs, and is noticed."""

LEAST_CPU_S = 30
MEMORY_BYTES = 4 << 30
"""A mutant that takes more is noticed."""

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
LEFT_OUT = "(left out)"


class Mutant(NamedTuple):
    """A top-level statement of a module with one change in it."""

    module: str
    line: int
    name: str
    """Of the function, class or constant that the statement makes."""
    what: str
    statement: ast.stmt


class Reached(NamedTuple):
    """What a test ran of the modules, without any change."""

    item: int
    seconds: float
    functions: frozenset[tuple[str, str]]
    """Modules and names of functions in them."""


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module of the core."""
    for statement in ast.parse(Path(_file(module)).read_text()).body:
        match statement:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                pass
            case _:
                continue  # imports and docstrings
        for index, (node, change) in enumerate(_places(statement)):
            if node is statement:
                continue  # without the statement nothing could be imported
            mutated = copy.deepcopy(statement)
            place, _ = _places(mutated)[index]
            assert isinstance(place, ast.expr | ast.stmt)
            _apply(place, change)
            ast.fix_missing_locations(mutated)
            after = LEFT_OUT if change == "nothing" else ast.unparse(place)
            what = f"{_first_line(node)}  ->  {_first_line_of(after)}"
            yield Mutant(module, place.lineno, name, what, mutated)


def _file(module: str) -> str:
    return str(ROOT / "src" / "engine" / "core" / f"{module}.py")


def _first_line(node: ast.AST) -> str:
    return _first_line_of(ast.unparse(node))


def _first_line_of(text: str) -> str:
    return text.partition("\n")[0]


def _places(statement: ast.stmt) -> list[tuple[ast.AST, str]]:
    types = {id(each) for node in ast.walk(statement) for hint in _hints(node) for each in ast.walk(hint)}
    # Of a class only what its methods do: the members of an enum are names.
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
            found = ["nothing", *(["operator"] if type(node.op) in OPERATORS else [])]
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
            found = ["nothing"]
        case _:
            pass
    return found


def _is_plain(value: ast.expr) -> bool:
    # None instead of False is the type checker's to notice, and True has a mutant of its own.
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
            # The same object, so that whoever holds it holds the mutant.
            node.__class__, node.__dict__ = ast.Expr, {**vars(node), "value": ast.Constant(...)}


def put_in_place(mutant: Mutant) -> None:
    """Let this process have a mutant instead of what its module has."""
    module = importlib.import_module(f"engine.core.{mutant.module}")
    old = getattr(module, mutant.name)
    there = dict(vars(module))
    tree = ast.Module([mutant.statement], [])
    exec(compile(tree, _file(mutant.module), "exec"), there)
    new = there[mutant.name]
    if isinstance(old, type):
        for name, method in vars(new).items():
            if inspect.isfunction(method):
                _swap(vars(old)[name], method)
    elif callable(old):
        _swap(inspect.unwrap(old), inspect.unwrap(new))
    else:
        for each in _modules():
            if vars(each).get(mutant.name) is old:
                setattr(each, mutant.name, new)


def _swap(old: FunctionType, new: FunctionType) -> None:
    old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__


def _modules() -> list[ModuleType]:
    return [each for name, each in list(sys.modules.items()) if name.startswith(("engine.", "tests."))]


class Judge:
    """A plugin of pytest that runs the tests again and again, each time in a fork."""

    def __init__(self, modules: list[str], jobs: int, *, is_quick: bool) -> None:
        self._modules = modules
        self._jobs = jobs
        self._is_quick = is_quick
        self._items: list[pytest.Item] = []
        self._limit_s = LEAST_CPU_S
        self._is_child = False
        self.failed = ""
        self.survivors: list[Mutant] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the first failure."""
        if self._is_child and report.failed:
            self.failed = self.failed or f"{report.nodeid}\n{report.longreprtext}"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Prove that nothing fails without a change, then judge the mutants."""
        self._items = [each for each in session.items if not (self._is_quick and _is_property(each))]
        for item in self._items:
            _lessen(item)
        started = time.monotonic()
        reached = self._unchanged()
        cpu_s = sum(each.seconds for each in reached)
        self._limit_s = max(LEAST_CPU_S, int(PATIENCE * cpu_s))
        _say(f"{len(reached)} tests pass without a change, in {time.monotonic() - started:.0f} s")
        for module in self._modules:
            self._judge_module(module, reached)
        return True

    def _unchanged(self) -> list[Reached]:
        reader, writer = os.pipe()
        child = self._fork(lambda: self._trace(writer))
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            sys.exit(f"mutants: the tests fail without any change:\n{said.decode(errors='replace')}")
        found: list[Reached] = pickle.loads(said)
        return found

    def _trace(self, writer: int) -> bool:
        found = []
        files = {_file(module): module for module in self._modules}
        for index, item in enumerate(self._items):
            seen: set[CodeType] = set()
            started = time.process_time()
            sys.setprofile(_noting(seen))
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            sys.setprofile(None)
            if self.failed:
                os.write(writer, self.failed.encode())
                return False
            functions = {
                (files[code.co_filename], code.co_qualname) for code in seen if code.co_filename in files
            }
            found.append(Reached(index, time.process_time() - started, frozenset(functions)))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(pickle.dumps(found))
        return True

    def _judge_module(self, module: str, reached: list[Reached]) -> None:
        started = time.monotonic()
        waiting = list(mutants_of(module))
        total, survivors = len(waiting), []
        running: dict[int, Mutant] = {}
        while waiting or running:
            while waiting and len(running) < self._jobs:
                mutant = waiting.pop(0)
                running[self._fork(lambda one=mutant: self._let_pass(one, reached))] = mutant  # type: ignore[misc]
            child, status = os.wait()
            mutant = running.pop(child)
            if os.waitstatus_to_exitcode(status) == 0:
                survivors.append(mutant)
        seconds = time.monotonic() - started
        _say(f"{module}: {total - len(survivors)} of {total} noticed, in {seconds:.0f} s")
        for mutant in sorted(survivors, key=lambda each: each.line):
            _say(f"  src/engine/core/{module}.py:{mutant.line}: {mutant.what}")
        self.survivors += survivors

    def _let_pass(self, mutant: Mutant, reached: list[Reached]) -> bool:
        resource.setrlimit(resource.RLIMIT_CPU, (self._limit_s, self._limit_s + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        put_in_place(mutant)
        tests = [each for each in reached if _is_reached(mutant, each)]
        tests.sort(key=lambda each: (self._distance(mutant, each.item), each.seconds))
        for each in tests:
            item = self._items[each.item]
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self.failed:
                return False
        return True

    def _distance(self, mutant: Mutant, index: int) -> int:
        item = self._items[index]
        return 2 if _is_property(item) else int(item.path.name != f"test_{mutant.module}.py")

    def _fork(self, does: Callable[[], bool]) -> int:
        child = os.fork()
        if child:
            return child
        self._is_child = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        is_good = False
        try:
            is_good = does()
        finally:
            os._exit(0 if is_good else 1)


def _is_reached(mutant: Mutant, test: Reached) -> bool:
    if isinstance(mutant.statement, ast.FunctionDef | ast.ClassDef):
        return any(
            module == mutant.module and name.partition(".")[0] == mutant.name
            for module, name in test.functions
        )
    return True  # a constant


def _is_property(item: pytest.Item) -> bool:
    return item.path.name in PROPERTY


def _lessen(item: pytest.Item) -> None:
    # The number that a test asks for itself goes over any profile's.
    test = getattr(item, "obj", None)
    own = getattr(test, OWN_SETTINGS, None)
    if isinstance(own, settings):
        setattr(test, OWN_SETTINGS, settings(own, max_examples=min(own.max_examples, EXAMPLES)))


def _noting(seen: set[CodeType]) -> Callable[[FrameType, str, object], None]:
    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            seen.add(frame.f_code)

    return note


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
    os.chdir(ROOT)
    settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
    judge = Judge(options.modules, options.jobs, is_quick=options.quick)
    plain = ["-s", "-qq", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=mutants"]
    plain += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is imported above
    if ended := pytest.main([*plain, TESTS], plugins=[judge]):
        return int(ended)
    return 1 if judge.survivors else 0


if __name__ == "__main__":
    sys.exit(main())
