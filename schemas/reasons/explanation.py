"""The explanation of a code: a sentence and a remedy."""

from typing import NamedTuple

NOTHING = "Nothing to do."
"""The remedy where none is needed."""


class Explanation(NamedTuple):
    """A code, as shown to users. `VENUE` and `SYMBOL` stand for those of the case."""

    sentence: str
    """What it means; ends with a full stop."""
    remedy: str = NOTHING
    """What ends it, or what to do; ends with a full stop, or with a command line to paste."""
