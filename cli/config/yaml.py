"""YAML as a tree in which every value knows its line; `${VAR}` is expanded here, and nothing is interpreted yet."""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import yaml

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class Mistake(NamedTuple):
    """What is wrong in a line of the file, and what to do."""

    line: int
    text: str


class Scalar(NamedTuple):
    """One value. `shown` is what the file says: what a variable held is never shown."""

    text: str
    shown: str
    line: int


class Entry(NamedTuple):
    """One key of a table, and its value."""

    key: str
    line: int
    value: "Node"


class Table(NamedTuple):
    """Keys and values; every key is there once."""

    entries: tuple[Entry, ...]
    line: int


class List(NamedTuple):
    """Values in order."""

    items: tuple["Node", ...]
    line: int


Node: TypeAlias = Scalar | Table | List


def parse(text: str, environment: Mapping[str, str]) -> tuple[Node | None, list[Mistake]]:
    """Return the tree of a YAML document and the mistakes in its form; no tree when it is no YAML at all."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return None, [Mistake(mark.line + 1 if mark else 1, f"not YAML: {_reason(error)}")]
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return None, [Mistake(line, f"not YAML: the character #x{int(error.character):04x} is not allowed")]
    except RecursionError:
        return None, [Mistake(1, "nested too deeply")]
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        return None, [Mistake(1, f"not YAML: {error}")]
    if root is None:
        return None, [Mistake(1, "the file is empty")]
    builder = _Builder(environment)
    return builder.build(root), builder.mistakes


def _reason(error: yaml.MarkedYAMLError) -> str:
    text = ", ".join(part for part in (error.context, error.problem) if part)
    return " ".join(text.split())


class _Builder:
    """Makes the tree. A node that is used twice (an alias) is built once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._built: dict[int, Node | None] = {}
        self.mistakes: list[Mistake] = []

    def build(self, node: yaml.Node) -> Node:
        line = node.start_mark.line + 1
        if id(node) in self._built:
            built = self._built[id(node)]
            if built is not None:
                return built
            self.mistakes.append(Mistake(line, "an alias that contains itself: write the value out"))
            return Scalar("", "", line)
        self._built[id(node)] = None
        made = self._make(node, line)
        self._built[id(node)] = made
        return made

    def _make(self, node: yaml.Node, line: int) -> Node:
        match node:
            case yaml.MappingNode():
                return Table(self._entries(node), line)
            case yaml.SequenceNode():
                return List(tuple(self.build(item) for item in node.value), line)
            case _:
                source = str(node.value)
                return Scalar(self._expand(source, line), source, line)

    def _entries(self, node: yaml.MappingNode) -> tuple[Entry, ...]:
        entries: dict[str, Entry] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.mistakes.append(Mistake(line, "a key has to be a word"))
            elif key.value in entries:
                first = entries[key.value].line
                self.mistakes.append(Mistake(line, f"{key.value!r} is here twice: first in line {first}"))
            else:
                entries[key.value] = Entry(key.value, line, self.build(value))
        return tuple(entries.values())

    def _expand(self, source: str, line: int) -> str:
        def value(match: re.Match[str]) -> str:
            found = self._environment.get(match["name"]) or match["default"]
            if found is None:
                name = match["name"]
                self.mistakes.append(
                    Mistake(line, f"the variable {name} is not set: set it, or write ${{{name}:-default}}")
                )
            return found or ""

        return _VARIABLE.sub(value, source)
