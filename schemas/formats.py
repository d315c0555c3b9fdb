"""Versions of the stored formats, and the hash that links stored records.

Fields are only added, and have defaults, so a newer program reads older records. An older program must not act on a newer
record that it would misread: each step names the oldest program that may read it, as `minimum_reader`.
"""

import hashlib
from typing import Final

from schemas.units import SECOND_NS, DurationNs

STATE_VERSION: Final = 3
"""The version of the state in the steps that this program writes. Version 1 had no such field."""
MINIMUM_READER: Final = 3
"""The oldest state version that a program must know to read these steps."""
VIEW_VERSION: Final = 1
"""The version of the grids for viewers (`GridView`) that this program reads."""

TRADE_OVERLAP_NS: Final[DurationNs] = 60 * SECOND_NS
"""How far behind the mark of booked trades a sweep starts, and for how long the ids of booked trades are kept: longer than a
venue takes to list a trade."""


def record_hash(data: bytes) -> str:
    """Return the SHA-256 of a stored record's bytes, in hexadecimal, as `sha256sum` prints it."""
    return hashlib.sha256(data).hexdigest()
