"""Where an actor that begins has to read on."""

from bus import Bus
from schemas.engine.journal import StreamOffset
from schemas.subjects import Stream


async def offsets_now(bus: Bus) -> dict[str, StreamOffset]:
    """Return the ends of the streams that count each message once: a new symbol has no past in them."""
    return {
        stream: StreamOffset(
            created=await bus.stream_created(stream), sequence=await bus.last_sequence(stream)
        )
        for stream in (Stream.ORDERS, Stream.CONTROL)
    }
