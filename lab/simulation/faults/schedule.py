"""Which faults a seed injects, and when. The times of one fault do not depend on which others are switched on."""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cli.config.cross_checks import nearest
from lab.simulation.faults import bus, messages, moments, network, processes, venue
from lab.simulation.faults.fault import Effect, Fault

FAULTS: dict[str, Fault] = {
    each.name: each
    for module in (processes, moments, network, venue, bus, messages)
    for each in module.FAULTS
}
SWITCHED_ON_RATIO = 0.3
"""Share of the faults that a seed switches on, of those that keep all records."""
LOSING_RATIO = 0.2
"""Share of the seeds that switch on one fault which loses or changes records."""
MIN_LOG_INTERVAL, MAX_LOG_INTERVAL = -1.4, -0.2
"""Bounds of the mean time between two injections, as powers of ten of the run's length."""
MIN_INTERVAL_S = 8.0
MIN_DURATION_S = 0.5
LONGER_RATIO = 0.5
"""Share of the injections that last longer when background work is slower: the others are short for it."""
_WORD = re.compile(r"(?P<name>[a-z-]+)(#(?P<number>[1-9][0-9]*))?\Z")


class UnknownFault(ValueError):
    """A fault has a name that there is not."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One injection of a fault."""

    fault: Fault
    number: int
    """1 for the first of its fault."""
    at_s: float
    """Seconds after the beginning of the run."""
    duration_s: float
    """0 for a fault without a duration."""

    @property
    def name(self) -> str:
        """The name by which `--faults` selects it alone: `kill#2`."""
        return f"{self.fault.name}#{self.number}"


def plan(
    seed: int, duration_s: float, faults: Sequence[str] | None = None, pace: float = 1.0
) -> list[Injection]:
    """Return the injections of a run of `duration_s`, by time: of the named faults, or of those that the seed chooses.

    `kill` stands for all kills of the seed, `kill#2` for the second alone. Half of the faults last `pace` times longer.
    Raises: UnknownFault.
    """
    wanted = dict.fromkeys(switched_on(seed) if faults is None else map(str.strip, faults))
    found: dict[str, Injection] = {}
    for word in wanted:
        name, number = _parsed(word)
        for injection in _injections(seed, FAULTS[name], duration_s, pace):
            if number in (None, injection.number):
                found[injection.name] = injection
    return sorted(found.values(), key=lambda each: (each.at_s, each.name))


def switched_on(seed: int) -> list[str]:
    """Return the names of the faults that a seed switches on."""
    draw = random.Random(f"faults {seed}")
    choosable = [each for each in FAULTS.values() if not each.is_by_name_only]
    keeping = [each.name for each in choosable if each.effect is Effect.RECORDS_ARE_KEPT]
    losing = [each.name for each in choosable if each.effect is not Effect.RECORDS_ARE_KEPT]
    found = [name for name in keeping if draw.random() < SWITCHED_ON_RATIO] or [draw.choice(keeping)]
    return [*found, draw.choice(losing)] if draw.random() < LOSING_RATIO else found


def effects(injections: Iterable[Injection]) -> set[Effect]:
    """Return what the faults may do to stored records."""
    return {each.fault.effect for each in injections}


def _injections(seed: int, fault: Fault, duration_s: float, pace: float) -> list[Injection]:
    draw = random.Random(f"faults {seed} {fault.name}")
    interval_s = max(duration_s * 10 ** draw.uniform(MIN_LOG_INTERVAL, MAX_LOG_INTERVAL), MIN_INTERVAL_S)
    found: list[Injection] = []
    at_s = draw.uniform(0.0, min(interval_s, duration_s))
    while at_s < duration_s:
        length_s = draw.uniform(MIN_DURATION_S, fault.longest_s) if fault.longest_s else 0.0
        if pace > 1 and draw.random() < LONGER_RATIO:
            length_s *= pace
        found.append(Injection(fault, len(found) + 1, at_s, min(length_s, duration_s - at_s)))
        at_s += draw.expovariate(1 / interval_s) + MIN_DURATION_S
    return found


def _parsed(word: str) -> tuple[str, int | None]:
    match = _WORD.match(word)
    if match is None or match["name"] not in FAULTS:
        raise UnknownFault(f"there is no fault {word!r}; {nearest(word.partition('#')[0], list(FAULTS))}")
    return match["name"], int(match["number"]) if match["number"] else None
