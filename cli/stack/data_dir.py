"""Where a run keeps what it makes: the directory, its lock, and the record of what runs there."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cli.errors import CommandError


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `up` tells other commands: written when everything was started, gone when it ended."""

    pid: int
    bus_url: str
    venue_url: str
    pages: tuple[str, ...]
    logs: str


class DataDir:
    """The paths below one data directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = root / "up.lock"
        self.record = root / "run.json"
        self.bus = root / "bus"
        self.logs = root / "logs"
        self.venue_settings = root / "venue.json"
        self.venue_store = root / "venue.sqlite"

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep every other run out of this directory, which is made when it is missing.

        Raises: CommandError when another one is in it, or it cannot be written.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise CommandError(f"cannot write to {self.root}: {error.strerror}; see --data-dir") from error
        try:
            self._take(descriptor)
            yield
        finally:
            os.close(descriptor)

    def write(self, record: RunRecord) -> None:
        """Write the record so that a reader never sees half of it."""
        new = self.record.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        new.replace(self.record)

    def read(self) -> RunRecord | None:
        """Return the record of the run that is in this directory now, None when there is none."""
        try:
            record = msgspec.json.decode(self.record.read_bytes(), type=RunRecord)
            os.kill(record.pid, 0)
        except (OSError, msgspec.MsgspecError):
            return None
        return record

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise CommandError(
                f"{self.root} is in use by another `opensqt up`, process {pid}: stop it (kill {pid}), or name "
                "another directory with --data-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)


def default_data_dir() -> Path:
    """Return `data` in the repository that ./opensqt was started from, else in the working directory."""
    return Path(os.environ.get("OPENSQT_ROOT") or Path.cwd()) / "data"


def fresh_replay_dir(parent: Path) -> Path:
    """Make and return the first `replay-NNN` that is not there yet.

    Raises: CommandError when the parent cannot be written.
    """
    for number in range(1, 1_000_000):
        path = parent / f"replay-{number:03}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise CommandError(f"cannot write to {parent}: {error.strerror}; see --data-dir") from error
        return path
    raise CommandError(f"{parent} is full of replays: remove some of them")
