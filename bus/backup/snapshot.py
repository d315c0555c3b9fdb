"""JetStream's snapshot of one stream: read it from the server, and create the stream from it.

    -> $JS.API.STREAM.SNAPSHOT.ORDERS {"deliver_subject": "_INBOX.a", "jsck": true, ...}    <- {"config", "state"}
    <- _INBOX.a: chunks of an opaque archive; those with a reply subject are acknowledged there (flow control)
    <- _INBOX.a: an empty message: the end, or an error in its status header

    -> $JS.API.STREAM.RESTORE.ORDERS {"config", "state"}                    <- {"deliver_subject": "$JS.SNAPSHOT..."}
    -> $JS.SNAPSHOT...: each chunk as a request, then an empty one          <- {"state"}, or an error

The server accepts a truncated archive in part, and an unreadable one as an empty stream, so the restored state is compared
with the one in the snapshot.
"""

import asyncio
from collections.abc import Callable
from typing import IO, Any

import msgspec

from bus.client.connection import Bus
from bus.client.jetstream import Reply
from bus.client.message import Message
from bus.client.request_reply import nats_inbox
from bus.errors import BackupFailed, NoResponders, Rejected, StreamGone
from bus.streams.provision import replicas_of

SNAPSHOT_CHUNK_BYTES = 512 * 1024
"""Below the server's limit of 1 MiB for a message."""
RESTORE_CHUNK_BYTES = 8 * 1024
"""The server answers nothing on the connection, no ping either, while it stores the messages of a chunk. If it syncs each
of them to disk, a large chunk takes longer than the client waits for an answer to its pings."""
SNAPSHOT_START_TIMEOUT_S = 120.0
"""The server first verifies the checksums of all messages."""
CHUNK_TIMEOUT_S = 20.0
NO_RESPONDERS_RETRY_S = 0.05
RESTORE_TIMEOUT_S = 300.0
"""For the last request of a restore, which is answered when the stream exists."""
DELETE_TIMEOUT_S = 30.0
NAME_TAKEN = 10130
"""JetStream's `err_code` when the stream exists already."""
MAX_ATTEMPTS = 300
"""Each takes some milliseconds; a running part that stores something creates a missing stream as quickly."""
END_STATUSES = frozenset({None, "204"})
"""Values of the status header of the last message of a complete snapshot."""

Progress = Callable[[int], None]
"""Receives the number of bytes transferred so far."""


class SnapshotState(msgspec.Struct, frozen=True, kw_only=True):
    """`state` of a stream in a snapshot, as far as it is compared."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    last_ts: str = ""


class SnapshotInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The stream of a snapshot; `config` and `state` are the server's, and are sent back to it at the restore."""

    config: dict[str, Any]
    state: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.config["name"])

    @property
    def contents(self) -> SnapshotState:
        return msgspec.convert(self.state, SnapshotState)


class _RestoreStarted(msgspec.Struct, frozen=True):
    deliver_subject: str


class _RestoreReply(Reply, frozen=True):
    state: SnapshotState | None = None


async def save_stream(bus: Bus, stream: str, file: IO[bytes], progress: Progress) -> SnapshotInfo:
    """Write a snapshot of a stream into a file; the stream may be written to meanwhile.

    Raises: StreamGone; BackupFailed when the snapshot is incomplete; Rejected, Ambiguous.
    """
    arrived: asyncio.Queue[Message] = asyncio.Queue()
    inbox = nats_inbox(bus.nc) + "snapshot"
    unsubscribe = await bus.subscribe(inbox, arrived.put_nowait)
    # The end of the snapshot is not acknowledged, and consumers are created again by their readers.
    body = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": SNAPSHOT_CHUNK_BYTES, "jsck": True}
    try:
        info = await bus.api(f"STREAM.SNAPSHOT.{stream}", body, SnapshotInfo, SNAPSHOT_START_TIMEOUT_S)
        size = 0
        while data := await _next_chunk(bus, stream, arrived):
            file.write(data)
            size += len(data)
            progress(size)
    finally:
        await unsubscribe()
    return info


async def load_stream(bus: Bus, info: SnapshotInfo, file: IO[bytes], progress: Progress) -> None:
    """Replace a stream by that of a snapshot: delete it if it exists, and create it again.

    A running part may create it again meanwhile; it is then deleted again.
    Raises: BackupFailed when the server did not restore it completely; Rejected, Ambiguous.
    """
    replicas = await _delete(bus, info.name)
    for _ in range(MAX_ATTEMPTS):
        file.seek(0)
        with bus.patient():
            restored = await _upload(bus, info, replicas, file, progress)
        if restored is not None:
            break
        await _delete(bus, info.name)
    else:
        raise BackupFailed(
            f"{info.name} was not restored: running parts create it again and again; stop them"
        )
    expected = info.contents
    if (restored.messages, restored.last_seq) != (expected.messages, expected.last_seq):
        raise BackupFailed(
            f"{info.name} was restored in part: it has {restored.messages} messages up to {restored.last_seq},"
            f" the backup has {expected.messages} up to {expected.last_seq}"
        )


async def _upload(
    bus: Bus, info: SnapshotInfo, replicas: int, file: IO[bytes], progress: Progress
) -> SnapshotState | None:
    """Send the archive; return the state of the created stream, None when the name was taken meanwhile."""
    config = {**info.config, "num_replicas": replicas}
    body = {"config": config, "state": info.state}
    try:
        started = await bus.api(f"STREAM.RESTORE.{info.name}", body, _RestoreStarted, RESTORE_TIMEOUT_S)
    except Rejected as error:
        if error.code == NAME_TAKEN:
            return None
        raise
    size = 0
    while data := file.read(RESTORE_CHUNK_BYTES):
        if answer := await _send_chunk(bus, started.deliver_subject, data, is_first=not size):
            return _state_of(info.name, answer)
        size += len(data)
        progress(size)
    return _state_of(info.name, await bus.request(started.deliver_subject, b"", RESTORE_TIMEOUT_S))


async def _send_chunk(bus: Bus, subject: str, data: bytes, *, is_first: bool) -> bytes:
    """Send a part of the archive and return the answer, which is empty unless it is the final one."""
    deadline = asyncio.get_running_loop().time() + CHUNK_TIMEOUT_S
    while True:
        try:
            return await bus.request(subject, data, CHUNK_TIMEOUT_S)
        except NoResponders:
            # In a cluster, this server may not know yet that the stream's leader has subscribed.
            if not is_first or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(NO_RESPONDERS_RETRY_S)


def _state_of(name: str, answer: bytes) -> SnapshotState | None:
    """Return the state in the final answer; None when the name was taken meanwhile.

    Raises: BackupFailed for any other error.
    """
    try:
        reply = msgspec.json.decode(answer, type=_RestoreReply)
    except msgspec.DecodeError:
        raise BackupFailed(f"{name} was not restored: the server answered {answer[:100]!r}") from None
    if reply.error is None:
        return reply.state
    # The code may be that of the restore as a whole, and the cause a number in the text.
    if reply.error.err_code == NAME_TAKEN or f"({NAME_TAKEN})" in reply.error.description:
        return None
    raise BackupFailed(f"{name} was not restored: {reply.error.description}")


async def _next_chunk(bus: Bus, stream: str, arrived: "asyncio.Queue[Message]") -> bytes:
    try:
        async with asyncio.timeout(CHUNK_TIMEOUT_S):
            message = await arrived.get()
    except TimeoutError:
        raise BackupFailed(f"{stream}: the server sent nothing for {CHUNK_TIMEOUT_S:g} s") from None
    if message.reply:
        await bus.publish(message.reply, b"")
    status = message.headers.get("Status")
    if not message.data and status not in END_STATUSES:
        raise BackupFailed(f"{stream}: {status} {message.headers.get('Description', '')}".rstrip())
    return message.data


async def _delete(bus: Bus, stream: str) -> int:
    """Delete a stream if it exists; return the number of replicas that the next one should have."""
    try:
        replicas = (await bus.stream_state(stream)).replicas
        await bus.api(f"STREAM.DELETE.{stream}", None, dict, DELETE_TIMEOUT_S)
    except StreamGone:
        return replicas_of(bus.url)
    return replicas
