"""Mutation testing of the core: `python -m tests.mutation.run orders.slots orders.accounting`.

All tests are collected and run once unchanged, in a fork. Then each mutant gets a fork of its own, which replaces the
mutated function and runs only the tests that reach it: those of the module's test file first, property tests last.
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
MAX_EXAMPLES = 25
"""Examples of a property test, which runs only when all other tests passed."""

OWN_SETTINGS = "_hypothesis_internal_use_settings"
MAX_CPU_FACTOR = 10.0
"""A mutant that takes this many times the CPU time of all tests hangs, and counts as killed."""

MIN_CPU_LIMIT_S = 30
INVALID_MUTANT_EXIT_CODE = 3
"""Exit code of a fork whose mutant cannot be installed."""

MAX_MEMORY_BYTES = 4 << 30
"""A mutant that allocates more counts as killed."""


class Reached(NamedTuple):
    """The functions that a test called, and how long it took, without a mutant."""

    item: int
    seconds: float
    functions: frozenset[tuple[str, str]]
    """Pairs of module and qualified function name."""


def install(mutant: Mutant) -> None:
    """Replace the function, class or constant of a module by its mutant, in this process."""
    module = importlib.import_module(f"engine.core.{mutant.module}")
    old = getattr(module, mutant.name)
    namespace = dict(vars(module))
    tree = ast.Module([mutant.statement], [])
    exec(compile(tree, file_of(mutant.module), "exec"), namespace)
    new = namespace[mutant.name]
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


class MutationPlugin:
    """A pytest plugin that runs the tests once per mutant, each time in a fork."""

    def __init__(self, modules: list[str], jobs: int, *, is_quick: bool) -> None:
        self._modules = modules
        self._jobs = jobs
        self._is_quick = is_quick
        self._items: list[pytest.Item] = []
        self._limit_s = MIN_CPU_LIMIT_S
        self._is_child = False
        self.failed = ""
        self.survivors: list[Mutant] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the first failure."""
        if self._is_child and report.failed:
            self.failed = self.failed or f"{report.nodeid}\n{report.longreprtext}"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Check that all tests pass unchanged, then run every mutant."""
        self._items = [each for each in session.items if not (self._is_quick and _is_property(each))]
        for item in self._items:
            _limit_examples(item)
        started = time.monotonic()
        reached = self._run_unchanged()
        cpu_s = sum(each.seconds for each in reached)
        self._limit_s = max(MIN_CPU_LIMIT_S, int(MAX_CPU_FACTOR * cpu_s))
        _print(f"{len(reached)} tests pass unchanged, in {time.monotonic() - started:.0f} s")
        for module in self._modules:
            self._run_module(module, reached)
        return True

    def _run_unchanged(self) -> list[Reached]:
        reader, writer = os.pipe()
        child = self._fork(lambda: self._trace(writer))
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            output = pipe.read()
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            sys.exit(f"mutants: the tests fail without a mutant:\n{output.decode(errors='replace')}")
        found: list[Reached] = pickle.loads(output)
        return found

    def _trace(self, writer: int) -> bool:
        found = []
        files = {file_of(module): module for module in self._modules}
        for index, item in enumerate(self._items):
            called: set[CodeType] = set()
            started = time.process_time()
            sys.setprofile(_recorder(called))
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            sys.setprofile(None)
            if self.failed:
                os.write(writer, self.failed.encode())
                return False
            functions = {
                (files[code.co_filename], code.co_qualname) for code in called if code.co_filename in files
            }
            found.append(Reached(index, time.process_time() - started, frozenset(functions)))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(pickle.dumps(found))
        return True

    def _run_module(self, module: str, reached: list[Reached]) -> None:
        started = time.monotonic()
        waiting = list(mutants_of(module))
        total, survivors = len(waiting), []
        running: dict[int, Mutant] = {}
        while waiting or running:
            while waiting and len(running) < self._jobs:
                mutant = waiting.pop(0)
                running[self._fork(lambda one=mutant: self._survives(one, reached))] = mutant  # type: ignore[misc]
            child, status = os.wait()
            mutant = running.pop(child)
            ended = os.waitstatus_to_exitcode(status)
            if ended == INVALID_MUTANT_EXIT_CODE:
                sys.exit(f"mutants: {module}.py:{mutant.line} cannot be installed: {mutant.description}")
            if ended == 0:
                survivors.append(mutant)
        seconds = time.monotonic() - started
        _print(f"{module}: {total - len(survivors)} of {total} killed, in {seconds:.0f} s")
        for mutant in sorted(survivors, key=lambda each: each.line):
            _print(f"  engine/core/{module.replace('.', '/')}.py:{mutant.line}: {mutant.description}")
        self.survivors += survivors

    def _survives(self, mutant: Mutant, reached: list[Reached]) -> bool:
        resource.setrlimit(resource.RLIMIT_CPU, (self._limit_s, self._limit_s + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        try:
            install(mutant)
        except Exception:  # noqa: BLE001 - any error means that the mutant is invalid
            os._exit(INVALID_MUTANT_EXIT_CODE)
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

    def _fork(self, run: Callable[[], bool]) -> int:
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
            is_good = run()
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


def _limit_examples(item: pytest.Item) -> None:
    # The number that a test sets itself overrides the profile.
    test = getattr(item, "obj", None)
    own = getattr(test, OWN_SETTINGS, None)
    if isinstance(own, settings):
        setattr(test, OWN_SETTINGS, settings(own, max_examples=min(own.max_examples, MAX_EXAMPLES)))


def _recorder(called: set[CodeType]) -> Callable[[FrameType, str, object], None]:
    def record(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.add(frame.f_code)

    return record


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run every mutant of the named modules; the exit code is 1 when one survives."""
    parser = argparse.ArgumentParser(
        prog="mutants", description="Check that tests fail for every mutant of a module."
    )
    parser.add_argument("modules", nargs="+", help="modules of engine/core, such as orders.slots")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants run in parallel")
    parser.add_argument("--quick", action="store_true", help="skip the property tests")
    options = parser.parse_args()
    os.chdir(ROOT)
    settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
    plugin = MutationPlugin(options.modules, options.jobs, is_quick=options.quick)
    plain = ["-s", "-qq", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=mutants"]
    plain += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is imported above
    if ended := pytest.main([*plain, TESTS], plugins=[plugin]):
        return int(ended)
    return 1 if plugin.survivors else 0


if __name__ == "__main__":
    sys.exit(main())
