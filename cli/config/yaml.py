"""Parse YAML into a tree of texts with line numbers, and expand `${VAR}` and `${VAR:-default}`.

The value of a variable may also be in a file that VAR_FILE names, as secrets of containers are.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import yaml

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")

FILE_SUFFIX = "_FILE"


class Mistake(NamedTuple):
    """A mistake in one line of the file, with what to do; the line is 0 for a variable of the environment."""

    line: int
    text: str


class Scalar(NamedTuple):
    """One value. `shown` is its text in the file, without expanded variables, so messages cannot leak secrets."""

    text: str
    shown: str
    line: int
    problem: str = ""
    """Why there is no text: a variable is not set. A mistake if the value is used."""
    variable: str = ""
    """The environment variable that set it in place of the file."""


class Entry(NamedTuple):
    """One key of a table with its value."""

    key: str
    line: int
    value: "Node"
    variable: str = ""
    """The environment variable that added it; its line is 0."""


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
                return self._expand(source, line)

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

    def _expand(self, source: str, line: int) -> Scalar:
        problems: list[str] = []

        def value(match: re.Match[str]) -> str:
            try:
                found = variable(match["name"], self._environment) or match["default"]
            except ValueError as error:
                problems.append(str(error))
                return ""
            if found is None:
                name = match["name"]
                problems.append(
                    f"the variable {name} is not set: set it, or {name}{FILE_SUFFIX} to the name of a file with the value, "
                    f"or write ${{{name}:-default}}"
                )
            return found or ""

        return Scalar(_VARIABLE.sub(value, source), source, line, "; ".join(problems))


def variable(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the value of a variable, else the content of the file that NAME_FILE names; None without either.

    Raises: ValueError when the file cannot be read.
    """
    if found := environment.get(name):
        return found
    path = environment.get(f"{name}{FILE_SUFFIX}")
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n") or None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(
            f"the file {path} of the variable {name}{FILE_SUFFIX} cannot be read: {reason}; or set {name} itself"
        ) from error
