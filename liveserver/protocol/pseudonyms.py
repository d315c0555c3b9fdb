"""Pseudonyms of ids for public viewers."""

import hashlib
import hmac
from collections.abc import Callable
from functools import lru_cache

import msgspec

from liveserver.auth.settings import Access

MAX_CACHED = 16_384
"""Pseudonyms that a function remembers."""

PseudonymFunction = Callable[[str], str]
"""Returns the pseudonym of an id."""


def pseudonyms(access: Access, bus_secret: str) -> PseudonymFunction:
    """Return the pseudonym function of a configuration: the same on every replica.

    It is keyed with API keys, tokens, and the secret by which the live servers connect to the bus. Without any of them, ids
    can be found by a search.
    """
    return keyed(msgspec.json.encode((access.keys, access.tokens, bus_secret)))


def keyed(secret: bytes) -> PseudonymFunction:
    """Return a pseudonym function with a secret: the first 12 hex digits of an HMAC-SHA256."""

    # The same trades are in each snapshot.
    @lru_cache(maxsize=MAX_CACHED)
    def pseudonym(text: str) -> str:
        return hmac.digest(secret, text.encode(), hashlib.sha256).hex()[:12]

    return pseudonym


UNKEYED_PSEUDONYM = keyed(b"")
"""Pseudonyms without a secret, which a search over likely ids reverses; a default for tests."""
