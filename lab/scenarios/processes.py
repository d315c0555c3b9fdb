"""Runs a scenario on real processes, in real time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus.runtime import monotonic_s
from cli.config.file import Configuration
from cli.stack.data_dir import DataDir
from cli.stack.ports import find_free_port
from cli.stack.stack import Stack, StackSettings, run_stack
from lab.scenarios.harness import Harness, harness_on
from lab.scenarios.runner import Scenario, ScenarioResult, play


async def run_on_processes(scenario: Scenario, configuration: Configuration, data: DataDir) -> ScenarioResult:
    """Run a scenario on a stack of its own. The caller must hold the data directory.

    Raises: CommandError or bus.ServerStartFailed when the stack cannot be started.
    """
    started_s = monotonic_s()
    configured = scenario.configure(configuration)
    async with _running_stack(configured, data) as stack:
        result = await play(scenario, stack, configured)
        result.elapsed_s = monotonic_s() - started_s
        return result


@asynccontextmanager
async def running_harness(configuration: Configuration, data: DataDir) -> AsyncIterator[Harness]:
    """Run a stack for as long as the context lasts; yield its harness once every grid has started.

    Raises: NotObserved; CommandError or bus.ServerStartFailed when the stack cannot be started.
    """
    async with (
        _running_stack(configuration, data) as stack,
        harness_on(stack, configuration) as harness,
    ):
        yield harness


@asynccontextmanager
async def _running_stack(configuration: Configuration, data: DataDir) -> AsyncIterator[Stack]:
    settings = StackSettings(
        configuration=configuration, data=data, bus_port=find_free_port(), http_port=find_free_port()
    )
    async with run_stack(settings, lambda line: None) as stack:
        yield stack
