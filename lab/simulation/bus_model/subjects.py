"""Subjects: validity, wildcard matching, overlap, mapping to other subjects, and the index of subscriptions."""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from lab.simulation.bus_model.errors import NotModeledError

T = TypeVar("T")

ONE, REST = "*", ">"
"""Wildcards: one token, and one or more tokens at the end."""
SPACES = frozenset("\t\n\f\r ")
MAX_CACHED = 4096


def is_valid(subject: str) -> bool:
    """Return whether a subject, perhaps with wildcards, is valid."""
    if not SPACES.isdisjoint(subject):
        return False
    tokens = subject.split(".")
    return all(tokens) and REST not in tokens[:-1]


def is_literal(subject: str) -> bool:
    """Return whether a subject has no wildcards: `a.b*` is literal."""
    if ONE not in subject and REST not in subject:
        return True
    return not any(token in {ONE, REST} for token in subject.split("."))


def matches(tokens: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the tokens of a subject, perhaps with wildcards, are a subset of a pattern."""
    for at, wanted in enumerate(pattern):
        if wanted == REST and at == len(pattern) - 1:
            return len(tokens) > at
        if at >= len(tokens) or tokens[at] == REST:
            return False
        if wanted not in {ONE, tokens[at]}:
            return False
    return len(tokens) == len(pattern)


def is_match(subject: str, pattern: str) -> bool:
    """Return whether a subject is a subset of a pattern."""
    return subject == pattern or matches(subject.split("."), pattern.split("."))


def collide(first: str, second: str) -> bool:
    """Return whether some subject matches both patterns."""
    if first == second:
        return True
    a, b = first.split("."), second.split(".")
    for left, right in zip(a, b, strict=False):
        if REST in {left, right}:
            return True
        if left != right and ONE not in {left, right}:
            return False
    return len(a) == len(b)


class Mapping:
    """Maps matching subjects to others: `market.>` to `live.market.>`, `a.*.b` to `c.*`."""

    def __init__(self, source: str, destination: str) -> None:
        """Check the patterns.

        Raises: NotModeledError for mapping functions, ValueError when the wildcards do not fit.
        """
        self._source, self._destination = source.split("."), destination.split(".")
        if any(
            "{{" in token or (token.startswith("$") and token[1:].isdigit()) for token in self._destination
        ):
            raise NotModeledError(f"the mapping {destination}")
        wildcards = [[token for token in each if token in {ONE, REST}] for each in self._both]
        if not is_valid(source) or not is_valid(destination) or wildcards[0] != wildcards[1]:
            raise ValueError(f"{source} cannot be mapped to {destination}")

    @property
    def _both(self) -> tuple[list[str], list[str]]:
        return self._source, self._destination

    def apply(self, subject: str) -> str:
        """Return the mapped subject; empty when the subject does not match."""
        tokens = subject.split(".")
        if not matches(tokens, self._source):
            return ""
        values = iter(self._values(tokens))
        return ".".join(next(values) if token in {ONE, REST} else token for token in self._destination)

    def _values(self, tokens: list[str]) -> Iterator[str]:
        for at, token in enumerate(self._source):
            if token == ONE:
                yield tokens[at]
            elif token == REST:
                yield ".".join(tokens[at:])


class _Node(Generic[T]):
    __slots__ = ("children", "entries")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.entries: dict[T, None] = {}


class SubjectIndex(Generic[T]):
    """Entries by subject pattern; finds those that match a literal subject."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._cache: dict[str, tuple[T, ...]] = {}

    def add(self, pattern: str, entry: T) -> None:
        node = self._root
        for token in pattern.split("."):
            node = node.children.setdefault(token, _Node())
        node.entries[entry] = None
        self._cache.clear()

    def remove(self, pattern: str, entry: T) -> None:
        path, node = [], self._root
        for token in pattern.split("."):
            path.append((node, token))
            node = node.children[token]
        del node.entries[entry]
        for parent, token in reversed(path):
            child = parent.children[token]
            if child.entries or child.children:
                break
            del parent.children[token]
        self._cache.clear()

    def match(self, subject: str) -> tuple[T, ...]:
        """Return the entries whose pattern matches, in the order of their patterns, then of their addition."""
        found = self._cache.get(subject)
        if found is None:
            tokens = subject.split(".")
            found = tuple(self._find(self._root, tokens, 0)) if all(tokens) else ()
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[subject] = found
        return found

    def _find(self, node: _Node[T], tokens: list[str], at: int) -> Iterator[T]:
        children = node.children
        if at == len(tokens):
            yield from node.entries
            return
        if (child := children.get(tokens[at])) is not None:
            yield from self._find(child, tokens, at + 1)
        if (child := children.get(ONE)) is not None and tokens[at] != ONE:
            yield from self._find(child, tokens, at + 1)
        if (child := children.get(REST)) is not None and (tokens[at] != REST or at != len(tokens) - 1):
            yield from child.entries
