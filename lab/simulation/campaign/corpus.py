"""Runs that failed once, and known failures: text files with a line a run.

# seed  hours  faults            what failed
7       0.03   kill,pause#2      the accounts match the venue
8       2@10   kill              with background work ten times slower
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cli.errors import CommandError
from lab.simulation.faults.schedule import UnknownFault, plan
from lab.simulation.universe import UniverseSettings

FOLDER = Path(__file__).parent
CORPUS_FILE = FOLDER / "corpus.txt"
"""Runs that failed once and hold now."""
KNOWN_FILE = FOLDER / "known_failures.txt"
"""Runs that fail, with the reason."""
NO_FAULTS = "none"


@dataclass(frozen=True, slots=True)
class Entry:
    """A run of a corpus."""

    settings: UniverseSettings
    text: str
    """What failed, and why."""


def read_corpus(path: Path) -> list[Entry]:
    """Return the runs in a file.

    Raises: CommandError when the file cannot be read or has a line that is not understood.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            try:
                found.append(_entry(line))
            except ValueError as error:
                raise CommandError(
                    f"{path}:{number}: write `seed hours fault,fault text` instead of {line!r} ({error})"
                ) from error
    return found


def add_to_corpus(path: Path, settings: UniverseSettings, proofs: Iterable[str]) -> None:
    """Append a run to a corpus.

    Raises: CommandError when the file cannot be written.
    """
    faults = ",".join(settings.faults or ()) or NO_FAULTS
    try:
        with path.open("a", encoding="utf-8") as file:
            pace = "" if settings.pace == 1 else f"@{settings.pace:g}"
            file.write(f"{settings.seed} {settings.hours:g}{pace} {faults} {'; '.join(proofs)}\n")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def parse_faults(text: str) -> tuple[str, ...]:
    """Return the faults of a list such as `kill,pause#2`, or none of `none`.

    Raises: UnknownFault.
    """
    words = () if text == NO_FAULTS else tuple(word.strip() for word in text.split(",") if word.strip())
    if not words and text != NO_FAULTS:
        raise UnknownFault(f"the list of faults is empty: write {NO_FAULTS} for a run without faults")
    plan(1, 1.0, words)
    return words


def _entry(line: str) -> Entry:
    seed, hours, faults, *text = line.split(maxsplit=3)
    hours, _, pace = hours.partition("@")
    settings = UniverseSettings(int(seed), float(hours), parse_faults(faults), float(pace or 1))
    return Entry(settings, *text or [""])
