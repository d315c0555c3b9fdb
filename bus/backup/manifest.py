"""The directory of a backup: one file a stream, and `manifest.json`, which describes and verifies them.

backup-1/manifest.json          {"format": 1, "time": ..., "streams": [{"file": "ORDERS.snapshot", "sha256": ...}]}
backup-1/ORDERS.snapshot        the server's archive, opaque to this program
"""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from bus.backup.snapshot import SnapshotInfo, SnapshotState
from bus.errors import BackupFailed
from schemas.codec import INVALID_JSON
from schemas.formats import MINIMUM_READER, STATE_VERSION
from schemas.units import TimeNs

BACKUP_FORMAT: Final = 1
MANIFEST = "manifest.json"
READ_BYTES = 1024 * 1024


class StreamFile(msgspec.Struct, frozen=True, kw_only=True):
    """A stream in a backup."""

    file: str
    size: int
    """Bytes."""
    sha256: str
    """In hexadecimal."""
    stream: SnapshotInfo

    @property
    def name(self) -> str:
        return self.stream.name

    @property
    def contents(self) -> SnapshotState:
        """Number of messages, sequences and times of the stream."""
        return self.stream.contents


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`."""

    program: str
    """The version of the program that took the backup."""
    time: TimeNs
    """When the backup was complete, by the wall clock."""
    streams: tuple[StreamFile, ...]
    format: int = BACKUP_FORMAT
    state_version: int = STATE_VERSION
    """See `schemas.formats.STATE_VERSION`: that of the program that took the backup."""
    minimum_reader: int = MINIMUM_READER
    """The oldest state version that a program must know to run on this backup."""


def write_manifest(directory: Path, manifest: Manifest) -> None:
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest of a backup that this program can restore.

    Raises: BackupFailed when it is missing, invalid, or of a newer version.
    """
    path = directory / MANIFEST
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BackupFailed(
            f"{directory} is no backup: {path.name} cannot be read: {error.strerror}"
        ) from error
    try:
        versions = msgspec.json.decode(data, type=_Versions)
        if versions.format > BACKUP_FORMAT or versions.minimum_reader > STATE_VERSION:
            raise BackupFailed(
                f"{path} was written by version {versions.program}, which is newer than this program:"
                " update this program before it restores the backup"
            )
        return msgspec.json.decode(data, type=Manifest)
    except INVALID_JSON as error:
        raise BackupFailed(f"{path} is damaged: {error}") from error


def verify_files(directory: Path, manifest: Manifest) -> None:
    """Compare size and checksum of every file with the manifest.

    Raises: BackupFailed, which names the first missing or damaged file.
    """
    for each in manifest.streams:
        path = directory / each.file
        if Path(each.file).name != each.file:
            raise BackupFailed(f"{directory / MANIFEST} is damaged: {each.file!r} is not a file name")
        try:
            size, digest = path.stat().st_size, file_sha256(path)
        except OSError as error:
            raise BackupFailed(f"{path} cannot be read: {error.strerror}") from error
        if size != each.size:
            raise BackupFailed(f"{path} is damaged: it has {size} bytes, the manifest says {each.size}")
        if digest != each.sha256:
            raise BackupFailed(f"{path} is damaged: its SHA-256 differs from the manifest")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            digest.update(data)
    return digest.hexdigest()


class _Versions(msgspec.Struct, frozen=True):
    format: int
    minimum_reader: int
    program: str = "unknown"
