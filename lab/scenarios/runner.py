"""Performs a scenario: the stack as it wants it, what it does, and the proofs at the end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cli.config.file import Configuration
from cli.stack.data_dir import DataDir
from lab.scenarios.event_recorder import NotSeen
from lab.scenarios.harness import Stage, staged

Act = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that goes wrong, and what has to be seen then."""

    name: str
    summary: str
    configure: Callable[[Configuration], Configuration]
    act: Act


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a scenario."""

    problems: list[str]
    """Empty when all was seen that had to be, and every proof holds."""
    lines: list[str]
    """What the bus told people."""


async def perform(scenario: Scenario, configuration: Configuration, data: DataDir) -> Verdict:
    """Run a scenario on a stack of its own. The data directory has to be held.

    Raises: CommandError or bus.ServerStartFailed when the stack cannot be started.
    """
    problems: list[str] = []
    async with staged(scenario.configure(configuration), data) as stage:
        began = stage.story.now
        try:
            await scenario.act(stage)
        except (NotSeen, AssertionError) as error:
            problems.append(str(error) or repr(error))
        lines = stage.story.lines(began)
        found = await stage.settle()
        problems += [f"{name}: {text}" for name, texts in found.items() for text in texts]
        return Verdict(problems, lines)
