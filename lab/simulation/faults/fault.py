"""What a fault is: a name, how it begins and ends, and what it may break by documentation."""

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from lab.simulation.world.parts import SimulatedPart
from lab.simulation.world.world import World
from producers.simulated.settings import FaultSettings

T = TypeVar("T")


class NotPossible(Exception):
    """The fault cannot be injected now: nothing was changed."""


class Effect(Enum):
    """What a fault may do to stored records by documentation, and so which proofs apply to a run with it."""

    RECORDS_ARE_KEPT = "records are kept"
    """Every proof of `verify` holds."""
    RECORDS_ARE_LOST = "records are lost"
    """Acknowledged records are lost or set back: what `verify --losses` demands holds."""
    RECORDS_ARE_CHANGED = "records are changed"
    """Stored records are altered: the same, but a symbol may stop with the alert that documents it."""


@dataclass(slots=True)
class Scene:
    """Where a fault is injected."""

    world: World
    random: random.Random
    """Draws the target and the strength: the same for the same seed, fault and number of the injection."""
    duration_s: float
    venue_faults: dict[str, FaultSettings] = field(default_factory=dict)
    """The faults of the venue that are on, by the name of the fault that switched them on."""

    def choose(self, choices: Sequence[T]) -> T:
        return self.random.choice(choices)

    def traders(self) -> list[SimulatedPart]:
        """Return the parts besides bus and venue."""
        return [part for name, part in self.world.parts.items() if name not in {"bus", "venue"}]

    def of_venue(self) -> list[SimulatedPart]:
        """Return the parts that are connected to the venue."""
        return [part for part in self.traders() if not part.name.startswith("engine")]

    @property
    def bus(self) -> SimulatedPart:
        return self.world.parts["bus"]

    @property
    def venue(self) -> SimulatedPart:
        return self.world.parts["venue"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault."""

    name: str
    text: str
    """What happens, as a sentence."""
    inject: Callable[[Scene], AbstractAsyncContextManager[None]]
    """Begins the fault when entered, ends it when left. Entering raises: NotPossible."""
    longest_s: float = 0.0
    """Bound of its duration, in seconds; 0: it has none."""
    effect: Effect = Effect.RECORDS_ARE_KEPT
    needs_cluster: bool = False
    """Whether it occurs only where streams have replicas."""
    is_by_name_only: bool = False
    """Whether no seed chooses it: it makes one thing certain that others leave to chance."""
