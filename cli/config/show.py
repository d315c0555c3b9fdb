"""Print a configuration as it takes effect: with the settings of the environment, and where each comes from."""

import json
import re
from collections.abc import Iterator, Mapping

from cli.config.overrides import override
from cli.config.yaml import List, Mistake, Node, Scalar, Table, parse

HIDDEN = "***"
_SECRET = re.compile("secret|password|passwd|token|private|credential|api_?key", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_PLAIN = re.compile(r"[A-Za-z0-9_./%+-][A-Za-z0-9_./%+ :-]*(?<![ :])\Z")
STEP = "  "


def effective(text: str, environment: Mapping[str, str]) -> str:
    """Return a valid configuration as YAML; each value that the environment sets has a comment. Secrets are hidden."""
    mistakes: list[Mistake] = []
    tree, found = parse(text, environment)
    if tree is None or found:
        return ""
    return "\n".join(_lines(override(tree, environment, mistakes), "", ""))


def _lines(node: Node, indent: str, key: str) -> Iterator[str]:
    match node:
        case Table(entries):
            for entry in entries:
                yield from _entry(f"{indent}{_text(entry.key)}:", entry.value, indent, entry.key)
        case List(items):
            for item in items:
                first, *rest = list(_lines(item, indent + STEP, key)) or [f"{indent}{STEP}{{}}"]
                yield f"{indent}- {first.removeprefix(indent + STEP)}"
                yield from rest
        case Scalar():
            yield f"{indent}{_scalar(node, key)}"


def _entry(head: str, value: Node, indent: str, key: str) -> Iterator[str]:
    if isinstance(value, Scalar):
        yield f"{head} {_scalar(value, key)}".rstrip()
        return
    yield head
    yield from _lines(value, indent if isinstance(value, List) else indent + STEP, key)


def _scalar(node: Scalar, key: str) -> str:
    variables = [node.variable] if node.variable else _REFERENCE.findall(node.shown)
    is_secret = any(_SECRET.search(name) for name in (key, *variables))
    value = HIDDEN if is_secret and node.text else _text(node.text)
    return f"{value}  # from {', '.join(variables)}" if variables else value


def _text(text: str) -> str:
    return text if _PLAIN.match(text) else json.dumps(text, ensure_ascii=False)
