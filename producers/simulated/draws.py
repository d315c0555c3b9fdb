"""Random numbers as functions of a seed, a name and integers: there is no generator whose state would have to be kept.

The function is SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), keyed by a hash of
seed and name. A draw costs about a microsecond, and does not depend on which other draws were made.
"""

import hashlib
import math
from functools import lru_cache
from statistics import NormalDist

_MASK = 0xFFFFFFFFFFFFFFFF
_GOLDEN = 0x9E3779B97F4A7C15
_STANDARD_NORMAL = NormalDist()


@lru_cache(maxsize=1024)
def key_of(seed: int, *names: str) -> int:
    """Return the key of a named sequence of draws, e.g. of (7, "BTC/USDT:USDT", "traded")."""
    text = "/".join((str(seed), *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def mix(key: int, *numbers: int) -> int:
    """Return a key that is derived from a key and numbers, e.g. that of tick 12: `mix(key, 12)`."""
    for number in numbers:
        key = (key + (number + 1) * _GOLDEN) & _MASK
        key = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        key = ((key ^ (key >> 27)) * 0x94D049BB133111EB) & _MASK
        key ^= key >> 31
    return key


def uniform(key: int, *numbers: int) -> float:
    """Return a number between 0 and 1, both excluded."""
    return ((mix(key, *numbers) >> 11) + 0.5) * 2**-53


def normal(key: int, *numbers: int) -> float:
    """Return a number of the standard normal distribution."""
    return _STANDARD_NORMAL.inv_cdf(uniform(key, *numbers))


def exponential(key: int, *numbers: int) -> float:
    """Return a number of the exponential distribution with mean 1."""
    return -math.log(uniform(key, *numbers))
