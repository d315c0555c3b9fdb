"""Plays a scenario on a running stack, then checks the invariants."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp

from bus import BusError
from cli.config.file import Configuration
from lab.scenarios.event_recorder import NotObserved
from lab.scenarios.harness import Harness, harness_on
from lab.scenarios.stack import RunningStack
from producers.ports import VenueError


@dataclass(frozen=True, slots=True)
class Scenario:
    """A provoked failure and the expected reaction."""

    name: str
    summary: str
    configure: Callable[[Configuration], Configuration]
    """Returns the configuration of the stack, given the default one."""
    run: Callable[[Harness], Awaitable[None]]
    """Raises NotObserved or AssertionError when the reaction differs from the expected one."""


@dataclass(slots=True)
class ScenarioResult:
    """Result of a scenario."""

    name: str
    problems: list[str] = field(default_factory=list)
    """Unmet expectations and violated invariants; empty when the scenario passed."""
    events: list[str] = field(default_factory=list)
    """Summary of the events on the bus, one line each."""
    simulated_s: float = 0.0
    """Simulated seconds; 0 with real processes."""
    elapsed_s: float = 0.0
    """Real time, in seconds."""
    digest: str = ""
    """Hash of everything that the simulated bus has stored; empty with real processes."""


async def play(scenario: Scenario, stack: RunningStack, configuration: Configuration) -> ScenarioResult:
    """Play a scenario on a stack that runs its configuration."""
    result = ScenarioResult(scenario.name)
    try:
        async with harness_on(stack, configuration) as harness:
            await _play(scenario, harness, result)
    except (NotObserved, BusError, VenueError, aiohttp.ClientError, TimeoutError) as error:
        result.problems.append(_text(error))
    return result


async def _play(scenario: Scenario, harness: Harness, result: ScenarioResult) -> None:
    start = harness.recorder.mark
    try:
        await scenario.run(harness)
    except (NotObserved, AssertionError) as error:
        result.problems.append(str(error) or repr(error))
    finally:
        result.events = harness.recorder.summary(start)
    violations = await harness.check_invariants()
    result.problems += [f"{name}: {text}" for name, texts in violations.items() for text in texts]


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, NotObserved) else f"the scenario cannot be continued: {error!r}"
