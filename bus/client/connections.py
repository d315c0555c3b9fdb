"""The connections to the bus: the server lists those of the own account.

-> $SYS.REQ.ACCOUNT.PING.CONNZ    <- {"data": {"connections": [{"cid": 5, "name": "engine", "ip": "127.0.0.1", ...}]}}
"""

import asyncio

import msgspec

from bus.client.connection import Bus
from bus.client.message import Message
from bus.client.request_reply import nats_inbox

LIST_SUBJECT = "$SYS.REQ.ACCOUNT.PING.CONNZ"
QUIET_S = 0.5
"""Each server of a cluster replies; after this time without a reply no more are expected."""


class _Connection(msgspec.Struct, frozen=True):
    name: str = ""
    ip: str = ""


class _Connections(msgspec.Struct, frozen=True):
    connections: tuple[_Connection, ...] = ()


class _Reply(msgspec.Struct, frozen=True):
    data: _Connections = _Connections()


async def other_connections(bus: Bus) -> list[str] | None:
    """Return the names of the connections whose name differs from that of `bus`, sorted; None when no server replies."""
    replies: asyncio.Queue[Message] = asyncio.Queue()
    inbox = nats_inbox(bus.nc) + "connections"
    unsubscribe = await bus.subscribe(inbox, replies.put_nowait)
    found: list[str] = []
    has_reply = False
    try:
        await bus.publish(LIST_SUBJECT, b"", reply=inbox)
        while True:
            async with asyncio.timeout(QUIET_S):
                message = await replies.get()
            if message.data:
                has_reply = True
                listed = msgspec.json.decode(message.data, type=_Reply).data.connections
                found += [
                    each.name or f"a connection from {each.ip}" for each in listed if each.name != bus.name
                ]
    except TimeoutError:
        return sorted(found) if has_reply else None
    finally:
        await unsubscribe()
