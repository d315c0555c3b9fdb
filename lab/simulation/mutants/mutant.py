"""What a mutant is, and how it is put in place of the product's code."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from lab.simulation.loop.hosts import PROCESS

EXAMINER = "operator"
Apply = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A protocol error."""

    name: str
    text: str
    """What the mutated code does, as a sentence."""
    apply: Apply
    """Returns a context within which the mutated code is in place."""
    faults: tuple[str, ...] = ()
    """The faults under which it shows itself: names of `lab.simulation.faults`; empty: it needs none."""


def in_parts(
    original: Callable[..., Awaitable[Any]], mutated: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    """Return a function that is the mutated one in the parts, and the original on the host that examines them."""

    async def dispatch(*arguments: Any, **named: Any) -> Any:
        is_examiner = PROCESS.get().host.name == EXAMINER
        return await (original if is_examiner else mutated)(*arguments, **named)

    return dispatch


@contextmanager
def replaced(*replacements: tuple[object, str, Any]) -> Iterator[None]:
    """Put values in place of attributes, each an owner, a name and a value, within the context."""
    before = [(owner, name, vars(owner)[name]) for owner, name, _ in replacements]
    try:
        for owner, name, value in replacements:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(before):
            setattr(owner, name, value)
