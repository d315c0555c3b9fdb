"""Settings of a configuration from the environment, which take precedence over the file.

    OPENSQT__HTTP__PORT=8081
    OPENSQT__VENUES__SIM__SEED=2
    OPENSQT__HTTP__ALLOWED_ORIGINS=https://a.example,https://b.example
    OPENSQT__SYMBOLS__SIM__BTC_USDT_USDT__ORDER_AMOUNT=60 USDT
    OPENSQT__PORTFOLIO__USDT__MAX_EXPOSURE=1000 USDT

Keys are separated by two underscores and match in any case; every character that a variable cannot have is an underscore.
An entry of `symbols` is named by venue and symbol, values of a list are separated by commas.
"""

import re
from collections.abc import Mapping

from cli.config.yaml import Entry, List, Mistake, Node, Scalar, Table

PREFIX = "OPENSQT__"
SEPARATOR = "__"
_CURRENCY = re.compile(r"[A-Z0-9]{1,15}\Z")


class _NoSuchKey(ValueError):
    """A variable names nothing that it could set."""


def override(tree: Node, environment: Mapping[str, str], mistakes: list[Mistake]) -> Node:
    """Return the tree with the settings of the environment; empty variables are ignored."""
    for variable in sorted(environment):
        value = environment[variable]
        if not variable.startswith(PREFIX) or not value:
            continue
        path = variable.removeprefix(PREFIX).split(SEPARATOR)
        try:
            tree = _set(tree, path, (), Scalar(value, f"${{{variable}}}", 0, variable=variable))
        except _NoSuchKey as error:
            mistakes.append(Mistake(0, f"{variable}: {error}"))
    return tree


def _set(node: Node, path: list[str], above: tuple[str, ...], value: Scalar) -> Node:
    if not path:
        if isinstance(node, Table):
            raise _NoSuchKey(f"{'.'.join(above)} is a table: name one of its keys")
        return value
    if isinstance(node, List):
        return _set_listed(node, path, above, value)
    if not isinstance(node, Table):
        raise _NoSuchKey(f"{'.'.join(above)} has a single value, and no key {path[0].lower()}")
    name, *rest = path
    if not name:
        raise _NoSuchKey("a key is empty")
    for i, entry in enumerate(node.entries):
        if _normal(entry.key) == _normal(name):
            new = entry._replace(value=_set(entry.value, rest, (*above, entry.key), value))
            return node._replace(entries=(*node.entries[:i], new, *node.entries[i + 1 :]))
    key = name if above == ("portfolio",) and _CURRENCY.match(name) else name.lower()
    empty: Node = Table((), 0) if rest else value
    added = Entry(key, 0, _set(empty, rest, (*above, key), value), value.variable)
    return node._replace(entries=(*node.entries, added))


def _set_listed(node: List, path: list[str], above: tuple[str, ...], value: Scalar) -> Node:
    """Set a key of the entry of `symbols` with this venue and symbol."""
    if above != ("symbols",):
        raise _NoSuchKey(
            f"{'.'.join(above)} is a list, whose entries cannot be set one by one: change the file"
        )
    if len(path) < 3:
        raise _NoSuchKey("name venue, symbol and setting: OPENSQT__SYMBOLS__SIM__BTC_USDT_USDT__ORDER_AMOUNT")
    venue, symbol, *rest = path
    for i, item in enumerate(node.items):
        if (_text(item, "venue"), _text(item, "symbol")) == (_normal(venue), _normal(symbol)):
            new = _set(item, rest, (*above, symbol), value)
            return node._replace(items=(*node.items[:i], new, *node.items[i + 1 :]))
    raise _NoSuchKey(f"the file has no symbol {symbol} of venue {venue}")


def _text(node: Node, key: str) -> str:
    entries = node.entries if isinstance(node, Table) else ()
    values = (entry.value for entry in entries if entry.key == key)
    return next((_normal(value.text) for value in values if isinstance(value, Scalar)), "")


def _normal(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", key.lower())
