"""Read a configuration table key by key; a mistake is noted with its line and does not stop the reading."""

import difflib
from collections.abc import Callable, Iterator
from typing import TypeVar

from cli.config.yaml import List, Mistake, Node, Scalar, Table

T = TypeVar("T")


class Section:
    """One table of the file. Read all keys that it may have, then `close` it: other keys are mistakes."""

    def __init__(self, node: Node, path: str, mistakes: list[Mistake], line: int | None = None) -> None:
        self.path = path
        self.line = node.line if line is None else line
        self._mistakes = mistakes
        self._read_keys: list[str] = []
        self._mistake_count = 0
        entries = node.entries if isinstance(node, Table) else ()
        self._entries = {entry.key: entry for entry in entries}
        if not isinstance(node, Table):
            where = f", set by {node.variable}," if isinstance(node, Scalar) and node.variable else ""
            self.note(f"{path or 'the file'}{where} has to be a table of keys and values")

    @property
    def is_valid(self) -> bool:
        """Whether no mistake of this section itself was noted so far; sections within it are not considered."""
        return not self._mistake_count

    def note(self, text: str, line: int | None = None) -> None:
        """Note a mistake, by default in the first line of the section."""
        self._mistake_count += 1
        self._mistakes.append(Mistake(self.line if line is None else line, text))

    def line_of(self, key: str) -> int:
        """Return the line of a key, or that of the section if the key is missing."""
        return self._entries[key].line if key in self._entries else self.line

    def has(self, key: str) -> bool:
        """Return whether the table has a key."""
        return key in self._entries

    def required(self, key: str, parse: Callable[[str], T], placeholder: T) -> T:
        """Return the value of a key; `placeholder`, with a mistake noted, if it is missing or invalid."""
        if self._value(key) is None:
            self.note(f"{self._name(key)} is missing")
            return placeholder
        return self.optional(key, parse, placeholder)

    def optional(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """Return the value of a key; the default if it is missing, or, with a mistake noted, if it is invalid."""
        node = self._value(key)
        if node is None:
            return default
        if not isinstance(node, Scalar):
            self.note(f"{self._name(key)} has to be a single value", self.line_of(key))
            return default
        return self._parsed(node, self._name(key), parse, default)

    def values(self, key: str, parse: Callable[[str], T]) -> list[tuple[T, int]]:
        """Return the valid values of a list, each with its line; a mistake is noted for each other one."""
        found: list[tuple[T, int]] = []
        for i, node in enumerate(self._items(key)):
            name = f"{self._name(key)}[{i}]"
            if not isinstance(node, Scalar):
                self.note(f"{name} has to be a single value", node.line)
                continue
            value = self._parsed(node, name, parse, None)
            if value is not None:
                found.append((value, node.line))
        return found

    def section(self, key: str) -> "Section | None":
        """Return the section under a key, None if it is missing; a mistake is noted if it is not a table."""
        node = self._value(key)
        return None if node is None else Section(node, self._name(key), self._mistakes, self.line_of(key))

    def named_sections(
        self, is_name: Callable[[str], bool] = lambda _: True
    ) -> Iterator[tuple[str, "Section"]]:
        """Yield each key with its value as a table, for tables whose keys, or some of them, are names."""
        for key, entry in self._entries.items():
            if not is_name(key):
                continue
            self._read_keys.append(key)
            yield key, Section(entry.value, self._name(key), self._mistakes, entry.line)

    def listed_sections(self, key: str) -> Iterator["Section"]:
        """Yield the tables of a list."""
        for i, node in enumerate(self._items(key)):
            yield Section(node, f"{self._name(key)}[{i}]", self._mistakes)

    def close(self) -> None:
        """Note the keys that were not read."""
        for key, entry in self._entries.items():
            if key not in self._read_keys:
                near = difflib.get_close_matches(key, self._read_keys, n=1)
                advice = f"did you mean {near[0]}?" if near else f"allowed keys: {', '.join(self._read_keys)}"
                where = f", set by {entry.variable}," if entry.variable else ""
                self.note(f"{self._name(key)}{where} is unknown; {advice}", entry.line)

    def _value(self, key: str) -> Node | None:
        if key not in self._read_keys:
            self._read_keys.append(key)
        entry = self._entries.get(key)
        if entry is None or (isinstance(entry.value, Scalar) and not entry.value.shown):
            return None
        return entry.value

    def _items(self, key: str) -> tuple[Node, ...]:
        node = self._value(key)
        if node is None:
            return ()
        if isinstance(node, Scalar) and node.variable:
            return tuple(node._replace(text=text.strip()) for text in node.text.split(","))
        if not isinstance(node, List):
            self.note(f"{self._name(key)} has to be a list", self.line_of(key))
            return ()
        return node.items

    def _parsed(self, node: Scalar, name: str, parse: Callable[[str], T], default: T) -> T:
        if node.problem:
            self.note(node.problem, node.line)
            return default
        try:
            return parse(node.text.strip())
        except ValueError as error:
            shown = node.shown if len(node.shown) <= 60 else f"{node.shown[:60]}..."
            self.note(f"{name} {error}, not {shown!r}", node.line)
            return default

    def _name(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key
