"""Runs a scenario on a stack of its own, then checks the invariants."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cli.config.file import Configuration
from cli.stack.data_dir import DataDir
from lab.scenarios.event_recorder import NotObserved
from lab.scenarios.harness import Harness, running_harness


@dataclass(frozen=True, slots=True)
class Scenario:
    """A provoked failure and the expected reaction."""

    name: str
    summary: str
    configure: Callable[[Configuration], Configuration]
    """Returns the configuration of the stack, given the default one."""
    run: Callable[[Harness], Awaitable[None]]
    """Raises NotObserved or AssertionError when the reaction differs from the expected one."""


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """Result of a scenario."""

    problems: list[str]
    """Unmet expectations and violated invariants; empty when the scenario passed."""
    events: list[str]
    """Summary of the events on the bus, one line each."""


async def run_scenario(scenario: Scenario, configuration: Configuration, data: DataDir) -> ScenarioResult:
    """Run a scenario on a stack of its own. The caller must hold the data directory.

    Raises: CommandError or bus.ServerStartFailed when the stack cannot be started.
    """
    problems: list[str] = []
    async with running_harness(scenario.configure(configuration), data) as harness:
        start = harness.recorder.mark
        try:
            await scenario.run(harness)
        except (NotObserved, AssertionError) as error:
            problems.append(str(error) or repr(error))
        events = harness.recorder.summary(start)
        violations = await harness.check_invariants()
        problems += [f"{name}: {text}" for name, texts in violations.items() for text in texts]
        return ScenarioResult(problems, events)
