"""How much a reader would find, asked of a consumer that is never read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from bus.client.consumer import ConsumerInfo, Start, consumer_config
from bus.client.request_reply import nats_inbox
from bus.errors import BusError

if TYPE_CHECKING:
    from bus.client.connection import Bus


async def pending(bus: Bus, stream: str, filters: Sequence[str], start: Start) -> int:
    """Return how many messages a reader from `start` on would find now.

    Raises: StreamGone, Refused, Ambiguous.
    """
    name = nats_inbox(bus.nc).replace(".", "")
    config = consumer_config(name, filters, start)
    body = {"stream_name": stream, "config": config, "action": "create"}
    info = await bus.api(f"CONSUMER.CREATE.{stream}.{name}", body, ConsumerInfo)
    with suppress(BusError):
        await bus.api(f"CONSUMER.DELETE.{stream}.{name}", None, dict)
    return info.num_pending
