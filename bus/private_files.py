"""Files that only their owner can read."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
PRIVATE_UMASK = 0o077


@contextmanager
def private_umask() -> Iterator[None]:
    """Let files that are made in the context be readable by their owner alone."""
    before = os.umask(PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def open_private(path: Path, flags: int) -> int:
    """Open a file and return its descriptor; a file that exists already becomes private, a device stays as it is.

    Raises: OSError.
    """
    descriptor = os.open(path, flags, PRIVATE_FILE)
    try:
        if stat.S_ISREG(
            os.fstat(descriptor).st_mode
        ):  # not a device such as /dev/null, which all processes use
            os.fchmod(descriptor, PRIVATE_FILE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_private(path: Path, data: bytes) -> None:
    """Write a file atomically, whatever was in the place of the temporary one. Raises: OSError."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(open_private(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(data)
    new.replace(path)
