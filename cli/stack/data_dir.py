"""The data directory of a run: its paths, format and lock, and the record by which other commands find the run.

It is closed to other users of the machine (mode 700): it has orders, books and the key of the bus.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bus import BusContext, Credentials, InvalidContext, nkey_credentials, read_context, write_context
from bus.peer import user_name
from bus.private_files import PRIVATE_FILE, PRIVATE_FOLDER, PRIVATE_UMASK, private_umask, write_private
from cli import __version__
from cli.errors import CommandError
from cli.program import data_dir_option, program
from schemas.codec import INVALID_JSON

DATA_FORMAT = 2
"""The format that this program writes. 1: without `format.json` and the stream ALERTS (version 0.1)."""
OLDEST_FORMAT = 1
"""The oldest format that the parts read as it is; an earlier one needs `opensqt migrate`."""


OWN_PATTERNS = ("bus", "bus-*", "logs", "venue.*", "venue-*", "up.lock", "run.*", "format.*", "replay-*")
"""What commands write into a data directory."""
UNKNOWN = "unknown"
"""In place of the process id of a run that cannot be read."""


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`: written by `up` once everything is started, deleted when it stops."""

    pid: int
    bus_url: str
    venue_url: str
    pages: tuple[str, ...]
    logs: str


class FormatRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`format.json`: the format of the data directory. Version 0.1 wrote none: its format is 1."""

    format: int
    program: str
    """The version that wrote this format."""


class DataDir:
    """The paths in one data directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = root / "up.lock"
        self.record = root / "run.json"
        self.instance_file = root / "instance"
        """The instance of the order ids, for an exit without the bus."""
        self.format_record = root / "format.json"
        self.bus = root / "bus"
        self.bus_context = root / "bus-context.json"
        """Address and credentials of the embedded bus."""
        self.bus_key = root / "bus-context.nk"
        """The seed of the NKey that it names."""
        self.logs = root / "logs"
        self.venue_settings = root / "venue.json"
        self.venue_store = root / "venue.sqlite"
        """The store of the first venue; those of further ones are `venue-NAME.sqlite`."""

    def venue_stores(self) -> list[Path]:
        """Return the stores of all venues that there are."""
        further = self.root.glob(f"{self.venue_store.stem}-*{self.venue_store.suffix}")
        return [path for path in (self.venue_store, *sorted(further)) if path.exists()]

    @contextmanager
    def hold(self) -> Iterator[int | None]:
        """Lock the directory against other runs, and bring its format up to date; create it if it is missing.

        Yields the earlier format, None if it was up to date or new.
        Raises: CommandError when another run holds it, it is not writable or private, or this program cannot use its format.
        """
        with self.hold_any_format():
            found = self.check_format()
            self.write_format(DATA_FORMAT)
            yield None if found == DATA_FORMAT else found

    def check_format(self) -> int:
        """Return the format of the directory, the current one for a new directory.

        Raises: CommandError when this program cannot use it as it is.
        """
        found = self.format()
        if found is None:
            return DATA_FORMAT
        if found.format > DATA_FORMAT:
            raise CommandError(
                f"{self.root} was written by OpenSQT {found.program} (data format {found.format}; this program, "
                f"{__version__}, reads up to {DATA_FORMAT}): run that version or a newer one, or choose another "
                "directory with --data-dir"
            )
        if found.format < OLDEST_FORMAT:
            raise CommandError(
                f"{self.root} has the data format {found.format} of OpenSQT {found.program}, and has to be "
                f"migrated first: {program()} migrate{data_dir_option(self.root)}"
            )
        return found.format

    def format(self) -> FormatRecord | None:
        """Return the format of the directory, None for a new directory.

        Raises: CommandError when `format.json` is damaged.
        """
        try:
            return msgspec.json.decode(self.format_record.read_bytes(), type=FormatRecord)
        except FileNotFoundError:
            has_data = self.bus.exists() or bool(self.venue_stores())
            return FormatRecord(format=1, program="0.1") if has_data else None
        except (OSError, *INVALID_JSON) as error:
            raise CommandError(
                f"{self.format_record} cannot be read ({error}): restore it from a backup, or choose another "
                "directory with --data-dir"
            ) from error

    def write_format(self, number: int) -> None:
        """Record the format, atomically, unless it is recorded.

        Raises: CommandError when the directory is not writable.
        """
        found = self.format()
        if found is not None and found.format == number and self.format_record.exists():
            return
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            _write_atomically(self.format_record, FormatRecord(format=number, program=__version__))
        except OSError as error:
            raise _not_writable(self.root, error) from error

    @contextmanager
    def hold_any_format(self) -> Iterator[None]:
        """Lock the directory against other runs, whatever its format; create it if it is missing.

        Raises: CommandError when another run holds it or it is not writable.
        """
        _check_links(self.root)
        try:
            with private_umask():
                self.logs.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        except OSError as error:
            raise _not_writable(self.root, error) from error
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def close_to_others(self) -> bool:
        """Take all access of other users away, also of the group; return whether they had any to the directory.

        In a directory that has other content as well, such as a home, this concerns the files of a run alone.
        Raises: CommandError when it belongs to another user.
        """
        try:
            own = {path for pattern in OWN_PATTERNS for path in self.root.glob(pattern)}
            is_shared = any(path not in own for path in self.root.iterdir())
            was_open = not is_shared and bool(self.root.stat().st_mode & PRIVATE_UMASK)
            below = [path for each in own for path in each.rglob("*")]
            for path in (*own, *below) if is_shared else (self.root, *own, *below):
                mode = path.lstat().st_mode
                if mode & PRIVATE_UMASK and not stat.S_ISLNK(mode):
                    path.chmod(mode & ~PRIVATE_UMASK)
        except OSError as error:
            raise CommandError(
                f"{self.root} cannot be closed to other users: {error.strerror}; run this command as its owner, or choose "
                "another directory with --data-dir"
            ) from error
        return was_open

    def bus_credentials(self) -> Credentials:
        """Return the credentials of the embedded bus: the NKey in `bus-context.nk`, a new one if there is none.

        Raises: CommandError when the file is damaged, or the directory is not writable.
        """
        try:
            return nkey_credentials(self.bus_key)
        except InvalidContext as error:
            raise CommandError(f"{error}; delete it to have a new one made") from error
        except OSError as error:
            raise _not_writable(self.root, error) from error

    def write_bus_context(self, url: str, credentials: Credentials) -> BusContext:
        """Write `bus-context.json` and return it.

        Raises: CommandError when the directory is not writable.
        """
        context = BusContext(
            description="OpenSQT: the embedded bus",
            url=url,
            user=credentials.user,
            password=credentials.password,
            nkey="" if credentials.seed_file is None else self.bus_key.name,
            server_user=user_name(os.geteuid()),
        )
        try:
            write_context(self.bus_context, context)
        except OSError as error:
            raise _not_writable(self.root, error) from error
        return read_context(self.bus_context)

    def write_instance(self, instance: str) -> None:
        """Write down the instance of the order ids."""
        try:
            self.instance_file.write_text(f"{instance}\n", encoding="ascii")
        except OSError as error:
            raise _not_writable(self.root, error) from error

    def instance(self) -> str:
        """Return the instance of the order ids; empty before the first start."""
        try:
            return self.instance_file.read_text(encoding="ascii").strip()
        except OSError:
            return ""

    def write(self, record: RunRecord) -> None:
        """Write the record of the run atomically."""
        _write_atomically(self.record, record)

    def read(self) -> RunRecord | None:
        """Return the record of the run in this directory; None without one, or if that run has ended."""
        record, holder = self.recorded(), self.holder()
        is_running = record is not None and holder in {str(record.pid), UNKNOWN}
        return record if is_running else None

    def recorded(self) -> RunRecord | None:
        """Return the record in this directory, which may be left from a crash; None without a readable one."""
        try:
            return msgspec.json.decode(self.record.read_bytes(), type=RunRecord)
        except (OSError, *INVALID_JSON):
            return None

    def holder(self) -> str | None:
        """Return the process id of the run that holds the directory, `unknown` if it cannot be read; None if none does."""
        try:
            descriptor = os.open(self.lock, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _process_id(descriptor)
        finally:
            os.close(descriptor)
        return None

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _process_id(descriptor)
            raise CommandError(
                f"{self.root} is in use by another `opensqt up`, process {pid}: "
                f"stop it (kill {pid}), or choose another directory with --data-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)


def _check_links(path: Path) -> None:
    """Check that no other user decides, by a symbolic link in the path, which directory is used. Raises: CommandError."""
    for each in (path, *path.parents):
        if each.is_symlink() and each.lstat().st_uid not in {0, os.geteuid()}:
            raise CommandError(
                f"{each} is a symbolic link of the user {user_name(each.lstat().st_uid)}: remove it, or choose another "
                "directory with --data-dir"
            )


def _process_id(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or UNKNOWN


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
            with private_umask():
                path.mkdir(parents=True, mode=PRIVATE_FOLDER)
        except FileExistsError:
            continue
        except OSError as error:
            raise _not_writable(parent, error) from error
        return path
    raise CommandError(f"{parent} is full of replays: delete some of them")


def _write_atomically(path: Path, record: msgspec.Struct) -> None:
    write_private(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n")


def _not_writable(path: Path, error: OSError) -> CommandError:
    return CommandError(f"cannot write to {path}: {error.strerror}; choose another directory with --data-dir")
