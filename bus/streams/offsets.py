"""Durable offsets: where a reader continues, and whether the stream still holds what the offset names."""

from bus.client.connection import Bus
from bus.client.jetstream import FoundMessage, received
from bus.client.jetstream_api import LOOKUP_TIMEOUT_S, NO_MESSAGE_FOUND
from bus.client.message import Received
from bus.errors import Rejected
from schemas.engine.journal import StreamOffset


async def stored_at(bus: Bus, stream: str, sequence: int) -> Received | None:
    """Return the message of a sequence, read from the stream's leader; None when there is none.

    Raises: StreamGone, Rejected, Ambiguous.
    """
    try:
        found = await bus.api(f"STREAM.MSG.GET.{stream}", {"seq": sequence}, FoundMessage, LOOKUP_TIMEOUT_S)
    except Rejected as error:
        if error.code == NO_MESSAGE_FOUND:
            return None
        raise
    return received(stream, found.message)


async def is_replaced(bus: Bus, stream: str, sequence: int, stored_time: int) -> bool:
    """Return whether the message of a sequence is not the one stored at `stored_time`, in nanoseconds of the server's time.

    That is the case in a stream that was restored to an older copy and has grown since. A message that is no longer stored
    says nothing: it may have been discarded by a limit of the stream.
    Raises: StreamGone, Rejected, Ambiguous.
    """
    message = await stored_at(bus, stream, sequence)
    return message is not None and message.time_ns != stored_time


async def end_of(bus: Bus, stream: str) -> StreamOffset:
    """Return the offset at the present end of a stream.

    Raises: StreamGone, Rejected, Ambiguous.
    """
    state = await bus.stream_state(stream)
    return StreamOffset(created=state.created, sequence=state.last)
