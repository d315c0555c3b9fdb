"""Losses of stored data under a running stack: a stream or bucket is purged, deleted, or set back to an older copy."""

import asyncio
import io
import itertools
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from bus import Bus
from bus.backup.snapshot import SnapshotInfo, load_stream, save_stream
from bus.streams.topology import BUCKETS, STREAMS

ALL_STREAMS = tuple(each.name for each in (*STREAMS, *BUCKETS))
"""All streams and buckets, those in memory included."""


class LossKind(StrEnum):
    """What happens to a stream."""

    PURGE = "purge"
    """All its messages are deleted; its sequences go on."""
    DELETE = "delete"
    """The stream itself is deleted."""
    RESTORE = "restore"
    """It is replaced by a copy taken some seconds before."""


class Loss(NamedTuple):
    """A loss of one stream."""

    kind: LossKind
    stream: str

    def __str__(self) -> str:
        return f"{self.kind} {self.stream}"


Case = tuple[Loss, ...]
"""Losses that happen at the same time."""


def single_cases(kinds: Sequence[LossKind], streams: Sequence[str]) -> list[Case]:
    """Return each kind of loss of each stream."""
    return [(Loss(kind, stream),) for stream in streams for kind in kinds]


def pair_cases(kinds: Sequence[LossKind], streams: Sequence[str]) -> list[Case]:
    """Return each kind of loss of each two streams together."""
    pairs = itertools.combinations(streams, 2)
    return [tuple(Loss(kind, stream) for stream in pair) for pair in pairs for kind in kinds]


class StreamCopy(NamedTuple):
    """A copy of a stream in memory."""

    info: SnapshotInfo
    data: bytes


async def copy_streams(bus: Bus, streams: Iterable[str]) -> dict[str, StreamCopy]:
    """Return copies of the streams as they are now.

    Raises: StreamGone, BackupFailed, Rejected, Ambiguous.
    """
    copies = {}
    for stream in streams:
        file = io.BytesIO()
        info = await save_stream(bus, stream, file, _ignore)
        copies[stream] = StreamCopy(info, file.getvalue())
    return copies


async def inject(bus: Bus, case: Case, copies: dict[str, StreamCopy]) -> None:
    """Let the losses of a case happen, all at once; `copies` has the streams that are restored.

    Raises: StreamGone, BackupFailed, Rejected, Ambiguous.
    """
    async with asyncio.TaskGroup() as tasks:
        for loss in case:
            tasks.create_task(_lose(bus, loss, copies), name=str(loss))


async def _lose(bus: Bus, loss: Loss, copies: dict[str, StreamCopy]) -> None:
    match loss.kind:
        case LossKind.PURGE:
            await bus.api(f"STREAM.PURGE.{loss.stream}", None, dict)
        case LossKind.DELETE:
            await bus.api(f"STREAM.DELETE.{loss.stream}", None, dict)
        case LossKind.RESTORE:
            copy = copies[loss.stream]
            await load_stream(bus, copy.info, io.BytesIO(copy.data), _ignore)


def _ignore(size: int) -> None:
    pass
