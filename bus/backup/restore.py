"""Restore a backup: replace the streams, then tell the engines by a new `restore_id` in each entry of `symbols`.

The engine then reads orders and trades from the venue before it places anything, with a new generation of order ids.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bus.backup.backup import Report, backup_order
from bus.backup.generations import Generations, highest_generations
from bus.backup.manifest import Manifest, StreamFile, read_manifest, verify_files
from bus.backup.snapshot import load_stream
from bus.client.connection import Bus
from bus.errors import BackupFailed, BusError, Conflict, StreamGone
from bus.runtime import new_id
from bus.streams.provision import provision
from bus.streams.registry import Registry
from schemas.codec import try_decode
from schemas.engine.journal import SymbolEntry


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a restore."""

    entries: tuple[SymbolEntry, ...]
    """The registered symbols, with the new `restore_id`."""
    unregistered: tuple[str, ...]
    """Keys of symbols that were registered before and are not in the backup."""
    kept: tuple[str, ...]
    """Streams that are not in the backup and were left as they are."""


def verified_manifest(directory: Path) -> Manifest:
    """Return the manifest of a backup whose files are complete and undamaged.

    Raises: BackupFailed.
    """
    manifest = read_manifest(directory)
    verify_files(directory, manifest)
    return manifest


async def restore(bus: Bus, directory: Path, manifest: Manifest, report: Report) -> Restored:
    """Replace the streams by those of a verified backup, and give each symbol a new `restore_id`.

    It may be repeated after an error. No part may be connected, or it may store messages that are then replaced.
    Raises: BackupFailed when a stream was not restored; Rejected, Ambiguous.
    """
    before = await highest_generations(bus)
    registered = await _registered(bus)
    files = {each.name: each for each in manifest.streams}
    order = [*backup_order(), *files]
    for each in sorted(files.values(), key=lambda file: order.index(file.name)):
        await _replace(bus, directory / each.file, each, report)
    await provision(bus)
    after = await highest_generations(bus)
    entries = await _mark_restored(bus, [before, after])
    keys = {*(await _registered(bus))}
    return Restored(
        entries=tuple(entries),
        unregistered=tuple(sorted(registered - keys)),
        kept=tuple(name for name in backup_order() if name not in files),
    )


async def _replace(bus: Bus, path: Path, saved: StreamFile, report: Report) -> None:
    try:
        with path.open("rb") as file:
            await load_stream(bus, saved.stream, file, lambda size: report(saved.name, size))
    except BackupFailed:
        raise
    except (BusError, OSError) as error:
        raise BackupFailed(f"{saved.name} was not restored: {error}") from error


async def _mark_restored(bus: Bus, named: Sequence[Generations]) -> list[SymbolEntry]:
    registry, restore_id = Registry(bus, "symbols"), new_id()
    entries = []
    for key in sorted(await registry.entries()):
        entry = await _mark(registry, key, restore_id, max(each.get(key, 0) for each in named))
        if entry is not None:
            entries.append(entry)
    return entries


async def _mark(registry: Registry, key: str, restore_id: str, generation: int) -> SymbolEntry | None:
    """Set the id and at least this generation; None for an entry that is gone or cannot be decoded."""
    while True:
        stored = await registry.get(key)
        entry = None if stored is None else try_decode(stored.data, SymbolEntry)
        if stored is None or entry is None:
            return None
        marked = msgspec.structs.replace(
            entry, restore_id=restore_id, generation=max(entry.generation, generation)
        )
        try:
            await registry.update(key, marked, stored.revision)
        except Conflict:
            continue  # written by a running part since: read it again
        return marked


async def _registered(bus: Bus) -> set[str]:
    try:
        return set(await Registry(bus, "symbols").entries())
    except StreamGone:
        return set()
