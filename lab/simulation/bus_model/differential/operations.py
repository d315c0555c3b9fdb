"""Generated operations of clients, chosen with the model's state in view: most are valid, some are not."""

import json
import random

from lab.simulation.bus_model.differential.choices import WITHOUT_HEADERS, Choices, encode
from lab.simulation.bus_model.differential.comparison import CLIENTS, Comparison
from lab.simulation.bus_model.differential.stream_configs import NAMES, random_config

SUBSCRIBED = (
    *("live.>", "live.s0.>", "live.*.a.*", "s1.>", "s2.a.x", "core.>", "core.a", "core.*"),
    *("a..b", "*.a", ">.a", "a.>b"),
)
WEIGHTS = {
    "store": 30,
    "store_burst": 4,
    "store_without_reply": 2,
    "core": 5,
    "direct": 14,
    "direct_batch": 10,
    "direct_multi": 7,
    "direct_last": 5,
    "get": 7,
    "info": 6,
    "purge": 2,
    "delete_message": 6,
    "create": 2,
    "update": 2,
    "delete": 0.6,
    "names": 2,
    "subscribe": 3,
    "unsubscribe": 2,
    "malformed": 1.2,
    "connections": 0.5,
    "wide": 0.03,
}
REMOVALS = frozenset({"purge", "delete_message", "update", "wide"})


class Operations:
    """Generates operations and sends them to both servers."""

    def __init__(self, comparison: Comparison, random: random.Random) -> None:
        self._comparison = comparison
        self._model = comparison.model.model
        self._random = random
        self._replies = 0
        self._sids = 10
        self._subscribed: list[list[str]] = [[] for _ in range(CLIENTS)]
        self._choose = Choices(self._model, random)

    def step(self) -> str:
        """Carry out one operation on both servers and compare; return its kind.

        Raises: DifferenceError.
        """
        kinds = [each for each in WEIGHTS if self._choose.has_removals or each not in REMOVALS]
        kind = self._random.choices(kinds, [WEIGHTS[each] for each in kinds])[0]
        getattr(self, f"_{kind}")()
        self._comparison.compare()
        if self._random.random() < 0.1:
            self._choose.note_moment()
        return kind

    @property
    def may_be_killed(self) -> bool:
        """Whether the real server keeps the same messages after SIGKILL.

        What limits removed, it does not note on disk at once: it loads those messages again, and applies the limits in
        another order. So messages reappear if others have been removed, or the limits were raised, and messages get lost
        that are within the limits, if a stream has one for all its messages and one for each subject.
        """
        limits = [each.store.limits for each in self._model.streams.values() if each.store.is_file]
        is_sound = all(
            each.discard_new or each.max_per_subject < 0 or (each.max_messages < 0 and each.max_bytes < 0)
            for each in limits
        )
        return is_sound and not self._choose.has_removals

    def begin(self, *, has_removals: bool) -> None:
        """Begin a period between restarts; without removals it begins without streams."""
        self._choose.has_removals = has_removals
        if not has_removals:
            for name in list(self._model.streams):
                self._delete_stream(name, b"")

    def compare_all(self) -> None:
        """Compare the state of all streams, message by message."""
        self._request("INFO", b"")
        self._comparison.compare()  # the server answers several requests at the same time
        self._request("STREAM.LIST", b"")
        for name in list(self._model.streams):
            self._request(f"STREAM.INFO.{name}", b'{"subjects_filter":">","deleted_details":true}')
            self._request(f"DIRECT.GET.{name}", b'{"seq":1,"batch":100000}')
        self._comparison.compare()

    def forget_subscriptions(self) -> None:
        """Note that all connections are new."""
        for each in self._subscribed:
            each.clear()

    def _request(self, endpoint: str, data: bytes, lines: str = "", client: int = 0) -> None:
        self._comparison.send(client, encode(f"$JS.API.{endpoint}", self._reply(client), data, lines))

    def _api(self, endpoint: str, body: object) -> None:
        data = json.dumps(body).encode()
        roll = self._random.random()
        if roll < 0.01:
            data = self._random.choice([b"", b"{}", b"[]", b"null", b'{"seq"', b"7", data[:-1], b" " + data])
        self._request(
            endpoint, data, "Nats-Required-Api-Level: 9\r\n" if roll > 0.995 else "", self._client()
        )

    def _reply(self, client: int) -> str:
        self._replies += 1
        return f"r.{client}.{self._replies}"

    def _client(self) -> int:
        return self._random.choice([0, 0, 0, 0, 1, 2, 3])

    def _store(self) -> None:
        client = self._client()
        self._comparison.send(client, self._choose.message(client, self._reply(client)))

    def _store_burst(self) -> None:
        client = self._random.choice([0, 1])
        messages = [
            self._choose.message(client, self._reply(client)) for _ in range(self._random.randint(2, 40))
        ]
        data = b"".join(messages)
        cut = self._random.randrange(len(data))
        self._comparison.send(client, data[:cut], is_complete=False)
        self._comparison.send(client, data[cut:])

    def _store_without_reply(self) -> None:
        data = self._choose.message(0, "")
        self._comparison.send(0, data)
        # Messages without reply are stored behind those that have one: this one is not stored, but answered.
        barrier = encode(
            data.split(b" ", 2)[1].decode(), self._reply(0), b"", "Nats-Expected-Stream: none\r\n"
        )
        self._comparison.send(0, barrier)

    def _core(self) -> None:
        random, client = self._random, self._client()
        subject = random.choice(
            ["core.a", "core.b.c", "core.a", "live.s0.a.x", "core..a", "core.*", "nobody"]
        )
        reply = self._reply(client) if random.random() < 0.5 else ""
        lines = "key: value\r\n" if random.random() < 0.4 and client != WITHOUT_HEADERS else ""
        self._comparison.send(client, encode(subject, reply, self._choose.data(), lines))

    def _direct(self) -> None:
        name, random = self._choose.name(), self._random
        stream = self._model.streams.get(name)
        body: dict[str, object] = random.choice(
            [
                {"seq": self._choose.sequence(stream)},
                {"last_by_subj": self._choose.filter(name)},
                {"next_by_subj": self._choose.filter(name), "seq": self._choose.sequence(stream)},
                {"next_by_subj": self._choose.filter(name)},
                self._choose.since_moment(stream),
                {"start_time": self._choose.moment(), "next_by_subj": self._choose.filter(name)},
                {"seq": self._choose.sequence(stream), "last_by_subj": "a"},
                {"seq": "1"},
                {"seq": -1},
                {"no_hdr": True, "seq": self._choose.sequence(stream)},
            ]
        )
        self._api(f"DIRECT.GET.{name}", body)

    def _direct_batch(self) -> None:
        name, random = self._choose.name(), self._random
        body: dict[str, object] = {"batch": random.choice([1, 2, 5, 20, 100, 256, -1])}
        if random.random() < 0.8:
            body["seq"] = self._choose.sequence(self._model.streams.get(name))
        elif random.random() < 0.5:
            body["start_time"] = self._choose.moment()
        if random.random() < 0.7:
            body["next_by_subj"] = self._choose.filter(name)
        if random.random() < 0.3:
            body["max_bytes"] = random.choice([1, 100, 1000, 5000, -1])
        if random.random() < 0.1:
            body |= random.choice([{"no_hdr": True}, {"last_by_subj": "a"}, {"up_to_seq": 3}])
        self._api(f"DIRECT.GET.{name}", body)

    def _direct_multi(self) -> None:
        name, random = self._choose.name(), self._random
        body: dict[str, object] = {
            "multi_last": [self._choose.filter(name) for _ in range(random.randint(1, 4))]
        }
        if random.random() < 0.3:
            body["up_to_seq"] = self._choose.sequence(self._model.streams.get(name))
        elif random.random() < 0.2 and self._choose.may_name_time(name):
            body["up_to_time"] = self._choose.moment()
        if random.random() < 0.3:
            body["batch"] = random.choice([1, 2, 10, 2000])
        if random.random() < 0.2:
            body["seq"] = self._choose.sequence(self._model.streams.get(name))
        if random.random() < 0.2:
            body["max_bytes"] = random.choice([1, 100, 1000])
        self._api(f"DIRECT.GET.{name}", body)

    def _direct_last(self) -> None:
        name = self._choose.name()
        body = self._random.choice([b"", b"", b"{}", b'{"seq":1}', b'{"no_hdr":true}', b"{", b'{"batch":2}'])
        subject = self._choose.filter(name) if self._random.random() < 0.3 else self._choose.subject(name)
        self._request(f"DIRECT.GET.{name}.{subject}", body, "", self._client())

    def _get(self) -> None:
        name, random = self._choose.name(), self._random
        stream = self._model.streams.get(name)
        body: dict[str, object] = random.choice(
            [
                {"seq": self._choose.sequence(stream)},
                {"last_by_subj": self._choose.filter(name)},
                {"last_by_subj": self._choose.subject(name)},
                {"next_by_subj": self._choose.filter(name), "seq": self._choose.sequence(stream)},
                self._choose.since_moment(stream),
                {"batch": 5, "seq": 1},
                {"no_hdr": True, "last_by_subj": self._choose.subject(name)},
                {"seq": 3, "last_by_subj": "a"},
                {"multi_last": [">"]},
                {"seq": 1.5},
            ]
        )
        self._api(f"STREAM.MSG.GET.{name}", body)

    def _info(self) -> None:
        name = self._choose.name()
        body: dict[str, object] = {}
        if self._random.random() < 0.6:
            body["subjects_filter"] = self._choose.filter(name)
        if self._random.random() < 0.3:
            body["offset"] = self._random.choice([0, 1, 3, 100, -1])
        if self._random.random() < 0.5:
            body["deleted_details"] = True
        self._api(f"STREAM.INFO.{name}", body)

    def _purge(self) -> None:
        name, random = self._choose.name(), self._random
        body: dict[str, object] = {"filter": self._choose.filter(name)} if random.random() < 0.85 else {}
        if random.random() < 0.5:
            body["keep"] = random.choice([0, 1, 2, 10])
        elif random.random() < 0.7:
            body["seq"] = self._choose.sequence(self._model.streams.get(name))
        if random.random() < 0.05:
            body |= {"keep": 1, "seq": 2}
        self._api(f"STREAM.PURGE.{name}", body)

    def _delete_message(self) -> None:
        name = self._choose.name()
        body: dict[str, object] = {"seq": self._choose.sequence(self._model.streams.get(name))}
        if self._random.random() < 0.5:
            body["no_erase"] = True
        self._api(f"STREAM.MSG.DELETE.{name}", body)

    def _create(self) -> None:
        name = self._random.choice(NAMES)
        stream = self._model.streams.get(name)
        config = random_config(self._random, name)
        if stream is not None and self._random.random() < 0.5:
            config = stream.config.wire()
        self._api(f"STREAM.CREATE.{name}", config)

    def _update(self) -> None:
        name = self._choose.name()
        stream = self._model.streams.get(name)
        config = random_config(self._random, name)
        if stream is not None and self._random.random() < 0.7:
            chosen = self._random.sample(list(config), k=min(3, len(config)))
            config = stream.config.wire() | {key: config[key] for key in chosen}
        self._api(f"STREAM.UPDATE.{name}", config)

    def _delete(self) -> None:
        name = self._choose.name()
        self._delete_stream(name, b"{}" if self._random.random() < 0.9 else b'{"a": 1}')

    def _delete_stream(self, name: str, body: bytes) -> None:
        self._request(f"STREAM.DELETE.{name}", body)
        self._comparison.compare()
        if name not in self._model.streams:
            self._comparison.real.wait_deleted(name)

    def _names(self) -> None:
        body: dict[str, object] = {}
        if self._random.random() < 0.4:
            body["subject"] = self._choose.filter(self._choose.name())
        if self._random.random() < 0.3:
            body["offset"] = self._random.choice([0, 1, 7, -2])
        endpoint = self._random.choice(["STREAM.NAMES", "STREAM.LIST", "INFO", "NOPE", "STREAM.NOPE.S0"])
        self._api(endpoint, body)

    def _subscribe(self) -> None:
        random, client = self._random, self._random.randrange(CLIENTS)
        self._sids += 1
        sid = str(self._sids)
        subject = random.choice(SUBSCRIBED)
        queue = random.choice(["", "workers"]) if subject.startswith("core") and client == 0 else ""
        self._subscribed[client].append(sid)
        if queue:
            self._comparison.groups[client][sid] = f"queue {queue}"
        self._comparison.send(client, f"SUB {subject} {queue} {sid}\r\n".encode())
        # The order of several streams is not defined: which messages are the first, neither.
        if random.random() < 0.5 and not queue and not subject.startswith(("live.>", "live.*")):
            self._comparison.send(client, f"UNSUB {sid} {random.choice([0, 1, 3, 10])}\r\n".encode())
        self._comparison.send(client, b"PING\r\n")

    def _unsubscribe(self) -> None:
        client = self._random.randrange(CLIENTS)
        subscribed = self._subscribed[client]
        sid = subscribed.pop(self._random.randrange(len(subscribed))) if subscribed else "999"
        self._comparison.send(client, f"unsub {sid}\r\nPING\r\n".encode())

    def _malformed(self) -> None:
        client = self._random.choice([1, 2, 3])
        data = self._random.choice(
            [
                b"PUB a\r\n",
                b"PUB a b c 5\r\n",
                b"PUB a x\r\n",
                b"HPUB a 30 20\r\n",
                b"PUB a 3\r\nabcdef\r\n",
                b"SUB\r\n",
                b"SUB a\r\n",
                b"SUB a b c d\r\n",
                b"UNSUB\r\n",
                b"NONSENSE\r\n",
                b"PUB a 2000000\r\n",
                b"sub  core.a   55\r\nPing\r\n",
                b"PING\r\nPONG\r\n",
                b"SUB " + b"a" * 5000 + b" 7\r\n",
            ]
        )
        self._comparison.send(client, data)
        if self._comparison.model.is_closed(client):
            self._subscribed[client].clear()

    def _connections(self) -> None:
        subject = "$SYS.REQ.ACCOUNT.PING.CONNZ"
        self._comparison.send(0, encode(subject, self._reply(0), b""))

    def _wide(self) -> None:
        """Store messages on more subjects than one direct get may answer."""
        name = self._choose.name()
        stream = self._model.streams.get(name)
        if stream is None:
            return
        for start in range(0, 1100, 100):
            messages = (
                encode(f"{name.lower()}.b.wide{each}", self._reply(0), b"x")
                for each in range(start, start + 100)
            )
            self._comparison.send(0, b"".join(messages))
            self._comparison.compare()
        for body in ({"multi_last": [">"]}, {"multi_last": [">"], "up_to_seq": stream.store.last - 90}):
            self._request(f"DIRECT.GET.{name}", json.dumps(body).encode())
        self._request(f"STREAM.PURGE.{name}", json.dumps({"filter": f"{name.lower()}.b.>"}).encode())
