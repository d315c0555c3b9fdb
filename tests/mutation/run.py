"""Mutation testing of the core: `python -m tests.mutation.run orders.slots orders.accounting`.

All tests are collected and run once without a change, in a fork. Then each mutant runs in a fork of its own, which
replaces the mutated function and runs only the tests that reach it: the nearest first, property tests last.
See docs/mutation.md.
"""

import argparse
import ast
import importlib
import inspect
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import NamedTuple

import pytest
from hypothesis import settings

from tests.mutation.mutations import Mutant, file_of, mutants_of

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/engine/core"
PROPERTY = ("test_properties.py", "test_machine.py")
EXAMPLES = 25
"""Of a property test, for a mutant that all other tests let pass."""

OWN_SETTINGS = "_hypothesis_internal_use_settings"
PATIENCE = 10.0
"""A mutant that takes this many times the CPU of all tests hangs, and is noticed."""

LEAST_CPU_S = 30
NO_MUTANT = 3
"""How a fork ends whose mutant is none."""

MEMORY_BYTES = 4 << 30
"""A mutant that takes more is noticed."""


class Reached(NamedTuple):
    """What a test ran of the modules, without any change."""

    item: int
    seconds: float
    functions: frozenset[tuple[str, str]]
    """Modules and names of functions in them."""


def put_in_place(mutant: Mutant) -> None:
    """Let this process have a mutant instead of what its module has."""
    module = importlib.import_module(f"engine.core.{mutant.module}")
    old = getattr(module, mutant.name)
    there = dict(vars(module))
    tree = ast.Module([mutant.statement], [])
    exec(compile(tree, file_of(mutant.module), "exec"), there)
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
        files = {file_of(module): module for module in self._modules}
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
            ended = os.waitstatus_to_exitcode(status)
            if ended == NO_MUTANT:
                sys.exit(f"mutants: {module}.py:{mutant.line} cannot be tried: {mutant.what}")
            if ended == 0:
                survivors.append(mutant)
        seconds = time.monotonic() - started
        _say(f"{module}: {total - len(survivors)} of {total} noticed, in {seconds:.0f} s")
        for mutant in sorted(survivors, key=lambda each: each.line):
            _say(f"  engine/core/{module.replace('.', '/')}.py:{mutant.line}: {mutant.what}")
        self.survivors += survivors

    def _let_pass(self, mutant: Mutant, reached: list[Reached]) -> bool:
        resource.setrlimit(resource.RLIMIT_CPU, (self._limit_s, self._limit_s + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        try:
            put_in_place(mutant)
        except Exception:  # noqa: BLE001 - whatever it is, there is no mutant to judge
            os._exit(NO_MUTANT)
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
        return (
            2 if _is_property(item) else int(item.path.name != f"test_{mutant.module.rpartition('.')[2]}.py")
        )

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
    parser.add_argument("modules", nargs="+", help="of engine/core, such as orders.slots")
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
