"""The data directory of a run: its paths, its lock, and the record by which other commands find the run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cli.errors import CommandError


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`: written by `up` once everything is started, deleted when it stops."""

    pid: int
    bus_url: str
    venue_url: str
    pages: tuple[str, ...]
    logs: str


class DataDir:
    """The paths in one data directory."""

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
        """Lock the directory against other runs; create it if it is missing.

        Raises: CommandError when another run holds it or it is not writable.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise _not_writable(self.root, error) from error
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def write(self, record: RunRecord) -> None:
        """Write the record atomically."""
        new = self.record.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        new.replace(self.record)

    def read(self) -> RunRecord | None:
        """Return the record of the run in this directory; None without one, or if its process does not exist.

        A record left by a crash is returned if another process of this user has the same id by now.
        """
        try:
            record = msgspec.json.decode(self.record.read_bytes(), type=RunRecord)
            os.kill(record.pid, 0)
        except (OSError, msgspec.MsgspecError):
            return None
        return record

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise CommandError(
                f"{self.root} is in use by another `opensqt up`, process {pid}: stop it (kill {pid}), or choose "
                "another directory with --data-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)


def default_data_dir() -> Path:
    """Return `data` in the repository of the launcher ./opensqt, else in the working directory."""
    return Path(os.environ.get("OPENSQT_ROOT") or Path.cwd()) / "data"


def fresh_replay_dir(parent: Path) -> Path:
    """Create and return the first free `replay-NNN`.

    Raises: CommandError when the parent is not writable.
    """
    for number in range(1, 1_000_000):
        path = parent / f"replay-{number:03}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise _not_writable(parent, error) from error
        return path
    raise CommandError(f"{parent} is full of replays: delete some of them")


def _not_writable(path: Path, error: OSError) -> CommandError:
    return CommandError(f"cannot write to {path}: {error.strerror}; choose another directory with --data-dir")
