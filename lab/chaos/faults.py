"""What is done to the parts, and when: drawn from a seed, so that it can be done again. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

SHORTEST_S = 0.05
AT_ONCE = 0.15
"""How often two parts die at the same moment."""
JUST_AFTER = 0.15
"""How often the same part dies again while it starts."""
PAUSED = 0.25
"""How often a part is paused rather than killed, where that is wanted."""


class Deed(StrEnum):
    """What happens to a part."""

    KILL = "kill"
    PAUSE = "pause"
    """It stands still for a while, and comes back with what it knew then."""


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens at one moment, and how long after the one before."""

    deed: Deed
    targets: tuple[str, ...]
    after_s: float


def blows(parts: Sequence[str], seed: int, every_s: float, pausable: Sequence[str] = ()) -> Iterator[Blow]:
    """Yield what is done, for ever: each part dies once first, each pausable one is paused once, then all is chance.

    The same arguments give the same blows.
    """
    chance = random.Random(seed)
    first = [(Deed.KILL, part) for part in parts] + [(Deed.PAUSE, part) for part in pausable]
    chance.shuffle(first)
    for deed, part in first:
        yield Blow(deed, (part,), chance.uniform(0.5, 1.5) * every_s)
    while True:
        yield from _some(chance, parts, every_s, pausable)


def _some(
    chance: random.Random, parts: Sequence[str], every_s: float, pausable: Sequence[str]
) -> Iterator[Blow]:
    after_s = chance.uniform(0.5, 1.5) * every_s
    if pausable and chance.random() < PAUSED:
        yield Blow(Deed.PAUSE, (chance.choice(pausable),), after_s)
        return
    kind = chance.random()
    if kind < AT_ONCE and len(parts) > 1:
        yield Blow(Deed.KILL, tuple(chance.sample(parts, 2)), after_s)
        return
    target = (chance.choice(parts),)
    yield Blow(Deed.KILL, target, after_s)
    if kind > 1 - JUST_AFTER:
        yield Blow(Deed.KILL, target, max(SHORTEST_S, chance.uniform(0.2, 1.0)))
