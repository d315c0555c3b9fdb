"""Simulated scenarios in processes of their own, several at a time."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence

import msgspec

from cli.stack.process import exit_text
from lab.scenarios.runner import ScenarioResult


class Batch:
    """Scenarios to be simulated, each in a process of its own, so that no run depends on an earlier one."""

    def __init__(self, names: Sequence[str], seed: int, jobs: int) -> None:
        self._names = names
        self._seed = seed
        self._free = asyncio.Semaphore(jobs)

    async def run(self) -> AsyncIterator[ScenarioResult]:
        """Yield the results in the order of the names. The processes end with the generator."""
        tasks = [asyncio.create_task(self._run(name), name=name) for name in self._names]
        try:
            for task in tasks:
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _run(self, name: str) -> ScenarioResult:
        async with self._free:
            # In a session of its own: Ctrl-C reaches this process alone, which kills the others.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "lab.scenarios", name, "--seed", str(self._seed), "--json"),
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            try:
                output, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if output:
            return msgspec.json.decode(output, type=ScenarioResult)
        assert process.returncode is not None, "it has ended"
        return ScenarioResult(
            name, problems=[f"its process ended without a result: {exit_text(process.returncode)}"]
        )
