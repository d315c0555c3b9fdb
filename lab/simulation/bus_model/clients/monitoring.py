"""The list of connections that an account may ask for: `$SYS.REQ.ACCOUNT.PING.CONNZ`."""

from collections.abc import Iterable

from lab.simulation.bus_model.clients.connection import Connection
from lab.simulation.bus_model.gojson import SECOND_NS, encode, format_time

CONNECTIONS_SUBJECT = "$SYS.REQ.ACCOUNT.PING.CONNZ"
VERSION = "2.15.1"
LIMIT = 1024


def connections_reply(name: str, server_id: str, now_ns: int, connections: Iterable[Connection]) -> bytes:
    """Return the connections of a server, at most LIMIT, in order of their numbers."""
    listed = [_connection(each, now_ns) for each in connections]
    now = format_time(now_ns)
    return encode(
        {
            "server": {
                "name": name,
                "host": "127.0.0.1",
                "id": server_id,
                "ver": VERSION,
                "jetstream": True,
                "flags": 7,
                "seq": 1,
                "time": now,
            },
            "data": {
                "server_id": server_id,
                "now": now,
                "num_connections": len(listed[:LIMIT]),
                "total": len(listed),
                "offset": 0,
                "limit": LIMIT,
                "connections": listed[:LIMIT],
            },
        }
    )


def _connection(connection: Connection, now_ns: int) -> dict[str, object]:
    options = connection.options
    entry: dict[str, object] = {
        "cid": connection.number,
        "kind": "Client",
        "type": "nats",
        "ip": connection.ip,
        "port": connection.port,
        "start": format_time(connection.start_ns),
        "last_activity": format_time(now_ns),
        "uptime": f"{(now_ns - connection.start_ns) // SECOND_NS}s",
        "idle": "0s",
        "pending_bytes": 0,
        "in_msgs": connection.in_messages,
        "out_msgs": connection.out_messages,
        "in_bytes": connection.in_bytes,
        "out_bytes": connection.out_bytes,
        "subscriptions": len(connection.subscriptions),
    }
    return entry | {key: options[key] for key in ("name", "lang", "version") if options.get(key)}
