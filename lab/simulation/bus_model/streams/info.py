"""Replies to STREAM.INFO, of which clients ask for many: only what changes is encoded each time."""

import msgspec

from lab.simulation.bus_model.gojson import encode, format_time
from lab.simulation.bus_model.streams.config import VERSION, Config
from lab.simulation.bus_model.streams.store import Store
from lab.simulation.bus_model.streams.stream import Stream

Reply = dict[str, object]


def state_of(store: Store) -> Reply:
    """Return the state of a stream, without the number of its consumers."""
    state: Reply = {
        "messages": len(store.messages),
        "bytes": store.bytes,
        "first_seq": store.first,
        "first_ts": format_time(store.first_time_ns),
        "last_seq": store.last,
        "last_ts": format_time(store.last_time_ns),
    }
    if store.subjects:
        state["num_subjects"] = len(store.subjects)
    deleted = store.last - store.first + 1 - len(store.messages) if store.last > store.first else 0
    if deleted > 0:
        state["num_deleted"] = deleted
    return state


def cluster_of(stream: Stream, leader: str) -> Reply:
    """Return the leader of a stream, and its followers if it has any."""
    cluster: Reply = {"leader": leader}
    followers = range(2, stream.config.num_replicas + 1)
    if followers:
        names = (f"{leader}-{number}" for number in followers)
        cluster["replicas"] = [{"name": name, "current": True, "active": 0} for name in names]
    return cluster


class PlainInfo:
    """Encodes replies to requests without options."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Config, int, str, bytes, bytes]] = {}

    def encode(self, kind: str, stream: Stream, leader: str, now_ns: int) -> bytes:
        """Return the reply of a type such as `stream_info`."""
        config, created_ns, known_leader, head, tail = self._known.get(stream.name) or self._add(
            kind, stream, leader
        )
        if config is not stream.config or created_ns != stream.created_ns or known_leader != leader:
            *_, head, tail = self._add(kind, stream, leader)
        state = state_of(stream.store) | {"consumer_count": 0}
        return b'%b"state":%b%b"%b"}' % (
            head,
            msgspec.json.encode(state),
            tail,
            format_time(now_ns).encode(),
        )

    def _add(self, kind: str, stream: Stream, leader: str) -> tuple[Config, int, str, bytes, bytes]:
        head: Reply = {
            "type": f"io.nats.jetstream.api.v1.{kind}_response",
            "total": 0,
            "offset": 0,
            "limit": 0,
            "config": stream.config.wire(VERSION),
            "created": format_time(stream.created_ns),
        }
        tail = b',"cluster":%b,"ts":' % encode(cluster_of(stream, leader))
        known = (stream.config, stream.created_ns, leader, encode(head)[:-1] + b",", tail)
        self._known[stream.name] = known
        return known
