"""Read the state of all parts once."""

from collections.abc import Collection

from bus.client.connection import Bus
from bus.client.jetstream import StreamInfo, parse_time_ns
from bus.client.jetstream_api import LOOKUP_TIMEOUT_S
from bus.client.message import Received
from bus.errors import Ambiguous, StreamGone
from bus.parts.fold import Observation, ReceivedHeartbeat, evaluate
from bus.parts.view import PartsView
from bus.streams.reader import last_per_subject
from schemas.codec import try_decode
from schemas.parts import PartHeartbeat
from schemas.subjects import Stream, all_parts


async def read_parts(bus: Bus, roster: Collection[str]) -> PartsView:
    """Return the state of all parts now, without waiting for heartbeats; ages are by the bus's own clock.

    `roster` has the registry keys of the traded symbols: `sim.BTC-USDT_USDT`. If the bus does not answer, the view says so.
    Raises: Rejected, ConnectionClosed.
    """
    try:
        stored = await last_per_subject(bus, Stream.PARTS, (all_parts(),))
        info = await bus.api(f"STREAM.INFO.{Stream.PARTS}", None, StreamInfo, LOOKUP_TIMEOUT_S)
    except StreamGone:  # the bus was restarted just now, or last provisioned by an earlier version
        return evaluate(Observation(heartbeats=(), now_ns=0, roster=(), bus_url=bus.url))
    except Ambiguous:
        return evaluate(Observation(heartbeats=(), now_ns=0, roster=(), bus_url=bus.url, is_bus_silent=True))
    received = [found for message in stored if (found := heartbeat_in(message)) is not None]
    return evaluate(
        Observation(
            heartbeats=received,
            now_ns=parse_time_ns(info.ts),
            roster=roster,
            bus_url=bus.url,
            bus_option=bus.context.option,
        )
    )


def heartbeat_in(message: Received) -> ReceivedHeartbeat | None:
    """Return the heartbeat in a message of PARTS; None if it cannot be decoded."""
    heartbeat = try_decode(message.data, PartHeartbeat)
    return None if heartbeat is None else ReceivedHeartbeat(heartbeat, message.time_ns)
