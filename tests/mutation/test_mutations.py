"""Mutants compile and differ from the original, and installing one replaces every reference."""

import ast
from pathlib import Path

import pytest

from engine.core import arithmetic
from schemas.units import ZERO
from tests.mutation.mutations import Mutant, file_of, mutants_of
from tests.mutation.run import install

MODULES = (
    "guards.circuit_breaker",
    "guards.drawdown",
    "orders.accounting",
    "orders.price_lattice",
    "orders.slots",
    "quoting.cancels",
    "quoting.quotes",
    "quoting.quoting",
)


@pytest.mark.parametrize("module", MODULES)
def test_every_mutant_compiles_and_differs(module: str) -> None:
    unchanged = {ast.dump(each) for each in ast.parse(Path(file_of(module)).read_text()).body}
    for mutant in mutants_of(module):
        compile(ast.Module([mutant.statement], []), module, "exec")
        assert ast.dump(mutant.statement) not in unchanged, mutant.description


def test_existing_references_to_a_function_run_the_mutant() -> None:
    share = arithmetic.share
    before = share.__code__
    (body,) = ast.parse("def share(whole, part, total):\n    return 'mutant'").body
    install(Mutant("arithmetic", 1, "share", "", body))
    try:
        assert share(ZERO, ZERO, ZERO) == "mutant"
    finally:
        share.__code__ = before
