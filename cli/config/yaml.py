"""Parse YAML into a tree of texts with line numbers, and expand `${VAR}` and `${VAR:-default}`."""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import yaml

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class Mistake(NamedTuple):
    """A mistake in one line of the file, with what to do."""

    line: int
    text: str


class Scalar(NamedTuple):
    """One value. `shown` is its text in the file, without expanded variables, so messages cannot leak secrets."""

    text: str
    shown: str
    line: int


class Entry(NamedTuple):
    """One key of a table with its value."""

    key: str
    line: int
    value: "Node"


class Table(NamedTuple):
    """A mapping; keys are unique."""

    entries: tuple[Entry, ...]
    line: int


class List(NamedTuple):
    """A sequence."""

    items: tuple["Node", ...]
    line: int


Node: TypeAlias = Scalar | Table | List


def parse(text: str, environment: Mapping[str, str]) -> tuple[Node | None, list[Mistake]]:
    """Return the tree of a YAML document and its structural mistakes; the tree is None if the text is not YAML."""
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
    """Builds the tree. A node that is used twice (an alias) is built once."""

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
            self.mistakes.append(Mistake(line, "an alias that contains itself: replace it by its value"))
            return Scalar("", "", line)
        self._built[id(node)] = None
        built_node = self._build_node(node, line)
        self._built[id(node)] = built_node
        return built_node

    def _build_node(self, node: yaml.Node, line: int) -> Node:
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
                self.mistakes.append(Mistake(line, "a key has to be a single word"))
            elif key.value in entries:
                first = entries[key.value].line
                self.mistakes.append(Mistake(line, f"{key.value!r} is listed twice, first in line {first}"))
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
