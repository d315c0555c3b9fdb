"""Check that messages can have a subject, before someone waits for them for ever."""

import difflib
from collections.abc import Collection

from schemas.catalog import CHANNELS
from schemas.subjects import ALL, Stream

OTHER_ROOTS = ("*", ">", "live", "status")
"""First tokens that the catalog does not list: patterns of several kinds, and what streams and services republish."""
INTERNAL = ("$", "_")
"""How the bus's own subjects begin."""


def subject_problem(text: str) -> str:
    """Return why no message can have the subject, with the nearest ones; empty if messages can have it.

    `text` may have the wildcards `*` and `>`, as in `engine.sim.*.fill`.
    """
    tokens = text.split(".")
    if not all(tokens) or ">" in tokens[:-1] or any(each.isspace() for each in text):
        return (
            f"{text!r} is no subject: it has tokens between dots, and `>` only at the end, such as 'engine.>'"
        )
    root = tokens[0]
    if root in OTHER_ROOTS or root.startswith(INTERNAL):
        return ""
    if any(char in text for char in "/:"):
        escaped = text.replace("/", "-").replace(":", "_")
        return f"in a subject, a symbol is written with - and _: '{escaped}'"
    if any(_overlap(tokens, channel.address.split(".")) for channel in CHANNELS if not channel.bucket):
        return ""
    roots = sorted({channel.address.partition(".")[0] for channel in CHANNELS if not channel.bucket})
    if root not in roots:
        return f"no stream has {text}; {_nearest_root(root, roots)}"
    known = sorted({_readable(each.address) for each in CHANNELS if each.address.startswith(f"{root}.")})
    return f"no message has the subject {text}; '{root}.>' is all of: {', '.join(known)}"


def unknown_tokens(text: str, keys: Collection[str]) -> str:
    """Return what is unknown in a subject: its venue or its symbol; empty if both may be known.

    `keys` has the registry keys of the known symbols: `sim.BTC-USDT_USDT`.
    """
    tokens = text.split(".")
    if not keys or len(tokens) < 3 or tokens[0] in OTHER_ROOTS or tokens[0].startswith(("part", *INTERNAL)):
        return ""
    venues = {key.partition(".")[0] for key in keys}
    symbols = {key.partition(".")[2] for key in keys}
    for what, token, known in (("venue", tokens[1], venues), ("symbol", tokens[2], symbols)):
        is_literal = token not in {"*", ">", ALL}
        is_wide = what == "symbol" and any(
            _overlap(tokens, channel.address.split(".")) and channel.address.split(".")[2] == token
            for channel in CHANNELS
        )
        if is_literal and not is_wide and token not in known:
            near = difflib.get_close_matches(token, known, n=3) or sorted(known)[:10]
            return f"no {what} {token} is known here; there is {', '.join(near)}"
    return ""


def _nearest_root(root: str, roots: Collection[str]) -> str:
    streams = {stream.lower(): stream.lower().removesuffix("s") for stream in Stream}
    near = [streams[root.lower()]] if streams.get(root.lower()) in roots else []
    near = near or difflib.get_close_matches(root.lower(), roots, n=1, cutoff=0.6)
    likely = f"; did you mean '{near[0]}.>'?" if near else ""
    return f"there is {', '.join(f'{each}.>' for each in roots)}{likely}"


def _overlap(pattern: list[str], address: list[str]) -> bool:
    """Return whether a pattern and the address of a channel have a subject in common."""
    for i, token in enumerate(pattern):
        if token == ">":
            return len(address) > i
        if i >= len(address) or not (token == "*" or address[i].startswith("{") or address[i] == token):
            return False
    return len(pattern) == len(address)


def _readable(address: str) -> str:
    """Return `order.VENUE.SYMBOL.report` for `order.{venue}.{symbol}.report`."""
    return ".".join(each[1:-1].upper() if each.startswith("{") else each for each in address.split("."))
