"""Back up all file streams and buckets into a new directory, while the bus is in use."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bus.backup.manifest import Manifest, StreamFile, file_sha256, write_manifest
from bus.backup.snapshot import save_stream
from bus.client.connection import Bus
from bus.errors import BackupFailed, StreamGone
from bus.streams.topology import BUCKETS, STREAMS, Storage

LAST_STREAMS = ("JOURNAL", "KV_symbols")
"""Saved after all others: a step that another stream refers to is then in the backup."""

Report = Callable[[str, int], None]
"""Receives the name of a stream and the bytes transferred so far."""


def backup_order() -> list[str]:
    """Return the names of the file streams and buckets, in the order in which they are saved and restored."""
    names = [each.name for each in (*STREAMS, *BUCKETS) if each.storage is Storage.FILE]
    return sorted(names, key=lambda name: LAST_STREAMS.index(name) if name in LAST_STREAMS else -1)


async def back_up(bus: Bus, directory: Path, program: str, report: Report) -> Manifest:
    """Write a backup into `directory`, which must not exist; it appears complete or not at all.

    `program` is the version of this program. A stream that does not exist is left out.
    Raises: BackupFailed, OSError, Rejected, Ambiguous.
    """
    with _new_directory(directory) as partial:
        streams = [saved for name in backup_order() if (saved := await _save(bus, partial, name, report))]
        if not streams:
            raise BackupFailed(f"the bus at {bus.url} has no streams to back up")
        manifest = Manifest(program=program, time=time.time_ns(), streams=tuple(streams))
        write_manifest(partial, manifest)
    return manifest


@contextmanager
def _new_directory(directory: Path) -> Iterator[Path]:
    """Yield a directory that gets its name at the end, once its files are on disk; after an error it is deleted."""
    if directory.exists():
        raise BackupFailed(f"{directory} exists: choose another directory for the backup")
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.parent / f".{directory.name}.{os.getpid()}.partial"
    partial.mkdir()
    try:
        yield partial
        _sync(partial)
        partial.rename(directory)
        _sync_directory(directory.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


async def _save(bus: Bus, directory: Path, name: str, report: Report) -> StreamFile | None:
    path = directory / f"{name}.snapshot"
    with path.open("xb") as file:
        try:
            stream = await save_stream(bus, name, file, lambda size: report(name, size))
        except StreamGone:
            path.unlink()
            return None
        size = file.tell()
    return StreamFile(file=path.name, size=size, sha256=file_sha256(path), stream=stream)


def _sync(directory: Path) -> None:
    for path in directory.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
