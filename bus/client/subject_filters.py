"""Subject filters with the wildcards `*` (one token) and `>` (all further tokens)."""

from collections.abc import Iterable, Sequence

from bus.errors import Rejected

OVERLAPPING_FILTERS = 10138
"""JetStream's `err_code` for a consumer whose filters overlap."""


class SubjectFilters:
    """Matches subjects against several filters."""

    def __init__(self, filters: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._wild: list[list[str]] = []
        for each in filters:
            if is_wild(each):
                self._wild.append(each.split("."))
            else:
                self._exact.add(each)

    def matches(self, subject: str) -> bool:
        """Return whether at least one filter matches."""
        if subject in self._exact:
            return True
        if not self._wild:
            return False
        tokens = subject.split(".")
        return any(_matches(each, tokens) for each in self._wild)


def is_wild(pattern: str) -> bool:
    """Return whether a filter has wildcards."""
    tokens = pattern.split(".")
    return "*" in tokens or ">" in tokens


def check_disjoint(filters: Sequence[str]) -> None:
    """Check that no subject matches two filters: it would be read twice.

    Raises: Rejected.
    """
    exact = [each for each in filters if not is_wild(each)]
    if len(exact) > len(set(exact)):
        raise Rejected(OVERLAPPING_FILTERS, f"subject filters overlap: {sorted(exact)}")
    wild = [each for each in filters if is_wild(each)]
    for at, first in enumerate(wild):
        for second in (*wild[at + 1 :], *exact):
            if _overlap(first.split("."), second.split(".")):
                raise Rejected(OVERLAPPING_FILTERS, f"subject filters overlap: {first} and {second}")


def covering(filters: Sequence[str]) -> str:
    """Return one filter that matches everything that any of the filters matches.

    For `order.sim.A.report` and `order.sim.A.trade` that is `order.sim.A.*`.
    """
    if len(filters) == 1:
        return filters[0]
    split = [each.split(".") for each in filters]
    shortest = min(len(tokens) for tokens in split)
    is_open = any(len(tokens) != shortest for tokens in split)
    found: list[str] = []
    for column in zip(*(tokens[:shortest] for tokens in split), strict=True):
        if ">" in column:
            return ".".join([*found, ">"])
        found.append(column[0] if len(set(column)) == 1 else "*")
    # `>` stands for at least one token: it has to replace the last one of the shortest filter.
    return ".".join([*found[:-1], ">"]) if is_open else ".".join(found)


def _matches(pattern: Sequence[str], tokens: Sequence[str]) -> bool:
    for at, token in enumerate(pattern):
        if token == ">":
            return len(tokens) > at
        if at >= len(tokens) or token not in ("*", tokens[at]):
            return False
    return len(pattern) == len(tokens)


def _overlap(first: Sequence[str], second: Sequence[str]) -> bool:
    for one, other in zip(first, second, strict=False):
        if ">" in (one, other):
            return True
        if one != other and "*" not in (one, other):
            return False
    return len(first) == len(second)
