"""Runs many universes in several processes, and shrinks those that fail."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.pool import Pool

from cli.config.file import Configuration
from lab.simulation.campaign.corpus import Entry
from lab.simulation.campaign.examine import examine, pool, proofs
from lab.simulation.campaign.shrink import shrink
from lab.simulation.faults.schedule import plan, switched_on
from lab.simulation.universe import UniverseResult, UniverseSettings

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed."""

    settings: UniverseSettings
    """With the fewest faults with which it fails."""
    problems: list[str]
    known: str = ""
    """Why it fails, from the list of known failures; empty for a new failure."""


@dataclass(slots=True)
class CampaignResult:
    """What came of a campaign."""

    runs: int = 0
    simulated_s: float = 0.0
    cpu_s: float = 0.0
    digests: dict[int, str] = field(default_factory=dict)
    """The digest of each run, by its seed."""
    faults: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    @property
    def new_failures(self) -> list[Failure]:
        return [each for each in self.failures if not each.known]

    def add(self, result: UniverseResult) -> None:
        self.runs += 1
        self.digests[result.seed] = result.digest
        self.simulated_s += result.simulated_s
        self.cpu_s += result.cpu_s
        self.faults += result.faults
        self.marks += result.marks


class Campaign:
    """Runs universes with `jobs` processes; `progress` gets a line for each failure and each shrunk one."""

    def __init__(
        self,
        jobs: int,
        configuration: Configuration | None,
        known: Sequence[Entry],
        progress: Progress,
        *,
        shrinks: bool = True,
    ) -> None:
        self._jobs = jobs
        self._configuration = configuration
        self._known = known
        self._progress = progress
        self._shrinks = shrinks

    def run(
        self, runs: Sequence[UniverseSettings], on_result: Callable[[CampaignResult], None]
    ) -> CampaignResult:
        """Run all; `on_result` gets the sums after each run."""
        total = CampaignResult()
        with pool(self._jobs) as processes:
            failed = []
            for settings, result in processes.imap_unordered(partial(_examined, self._configuration), runs):
                total.add(result)
                if result.problems:
                    self._progress(f"seed {settings.seed} fails: {result.problems[0]}")
                    failed.append((settings, result))
                on_result(total)
            for settings, result in sorted(failed, key=lambda each: each[0].seed):
                total.failures.append(self._failure(processes, settings, result))
        return total

    def _failure(self, processes: Pool, settings: UniverseSettings, result: UniverseResult) -> Failure:
        reason = self._reason(settings, result)
        if reason or not self._shrinks:
            return Failure(settings, result.problems, reason)
        kinds = settings.faults if settings.faults is not None else tuple(switched_on(settings.seed))
        fewest = shrink(
            kinds,
            lambda some: [
                each.name for each in plan(settings.seed, settings.hours * 3600, some, settings.pace)
            ],
            lambda some: self._fails_alike(processes, replace(settings, faults=some), result),
        )
        shrunk = replace(settings, faults=fewest)
        self._progress(f"seed {settings.seed} shrunk to {','.join(fewest) or 'no faults'}")
        return Failure(shrunk, result.problems)

    def _fails_alike(self, processes: Pool, settings: UniverseSettings, result: UniverseResult) -> bool:
        again = processes.apply(examine, (settings, self._configuration))
        return bool(proofs(again.problems) & proofs(result.problems))

    def _reason(self, settings: UniverseSettings, result: UniverseResult) -> str:
        """Return why a run fails, if it is known to: by its seed and a proof that the reason names."""
        for entry in self._known:
            is_same_run = replace(entry.settings, faults=None) == replace(settings, faults=None)
            if is_same_run and any(name in entry.text for name in proofs(result.problems)):
                return entry.text
        return ""


def _examined(
    configuration: Configuration | None, settings: UniverseSettings
) -> tuple[UniverseSettings, UniverseResult]:
    return settings, examine(settings, configuration)
