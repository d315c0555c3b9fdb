"""Simulated scenarios in processes of their own, several at a time."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from cli.config.file import DEFAULT_FILE, load
from cli.stack.process import exit_text
from lab.scenarios import SCENARIOS
from lab.scenarios.runner import ScenarioResult
from lab.scenarios.simulated import run_simulated

PROGRESS_S = 1.0


def simulate(
    names: Sequence[str], seed: int, jobs: int, progress: Callable[[int], None]
) -> Generator[ScenarioResult, None, None]:
    """Run scenarios, each in a new process, so that no run depends on an earlier one.

    Yields the results in the order of the names. `progress` is called once a second with the number of finished ones. The
    processes end with the generator.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    waiting, results = deque(names), dict[str, ScenarioResult]()
    running: dict[Connection, tuple[str, BaseProcess]] = {}
    shown = deque(names)
    try:
        while shown:
            while waiting and len(running) < jobs:
                receiver, sender = context.Pipe(duplex=False)
                process: BaseProcess = context.Process(
                    target=_run, args=(waiting[0], seed, sender), daemon=True
                )
                process.start()
                sender.close()
                running[receiver] = (waiting.popleft(), process)
            for ready in wait(list(running), timeout=PROGRESS_S):
                assert isinstance(ready, Connection)
                name, process = running.pop(ready)
                results[name] = _receive(name, ready, process)
            progress(len(results))
            while shown and shown[0] in results:
                yield results[shown.popleft()]
    finally:
        for _, process in running.values():
            process.kill()
            process.join()


def _run(name: str, seed: int, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and kills this process
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
    sender.send(run_simulated(scenario, load(DEFAULT_FILE), seed))


def _receive(name: str, receiver: Connection, process: BaseProcess) -> ScenarioResult:
    with closing(receiver):
        try:
            result = receiver.recv()
        except EOFError:
            process.join()
            ended = exit_text(process.exitcode or 0)
            return ScenarioResult(name, [f"its process ended without a result: it {ended}"])
    process.join()
    assert isinstance(result, ScenarioResult)
    return result
