"""Every mutant is one, and judging runs what is put in its place."""

import ast
from pathlib import Path

import pytest

from engine.core import arithmetic
from schemas.units import ZERO
from tests.mutation.mutations import Mutant, file_of, mutants_of
from tests.mutation.run import put_in_place

MODULES = (
    "guards.circuit_breaker",
    "guards.drawdown",
    "orders.accounting",
    "orders.price_lattice",
    "orders.slots",
    "quoting.quoting",
)


@pytest.mark.parametrize("module", MODULES)
def test_every_mutant_can_be_compiled_and_differs(module: str) -> None:
    unchanged = {ast.dump(each) for each in ast.parse(Path(file_of(module)).read_text()).body}
    for mutant in mutants_of(module):
        compile(ast.Module([mutant.statement], []), module, "exec")
        assert ast.dump(mutant.statement) not in unchanged, mutant.what


def test_whoever_holds_a_function_has_the_mutant() -> None:
    share = arithmetic.share
    before = share.__code__
    (body,) = ast.parse("def share(whole, part, total):\n    return 'mutant'").body
    put_in_place(Mutant("arithmetic", 1, "share", "", body))
    try:
        assert share(ZERO, ZERO, ZERO) == "mutant"
    finally:
        share.__code__ = before
