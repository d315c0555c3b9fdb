"""A client of a model, for tests: sends operations and keeps what the model sent."""

import json
import random
from typing import Any

from lab.simulation.bus_model.differential.choices import encode
from lab.simulation.bus_model.differential.wire import Event, Receiver
from lab.simulation.bus_model.server import BusModel

START_NS = 1_700_000_000_000_000_000


def new_model(**options: Any) -> BusModel:
    return BusModel(now_ns=START_NS, random=random.Random(1), **options)


class ModelClient:
    """A connection that has its replies sent to `r.1`, `r.2` and so on."""

    def __init__(self, model: BusModel) -> None:
        self.model = model
        self._receiver = Receiver()
        self.is_open = True
        self._count = 0
        self.connection = model.connect(self._receiver.feed, self._on_close)
        self.send(b'CONNECT {"verbose":false,"headers":true,"no_responders":true,"pedantic":false}\r\n')
        self.send(b"SUB r.* inbox\r\n")

    def send(self, data: bytes) -> list[Event]:
        """Send bytes and return what the model sent since the last call."""
        self.connection.receive(data)
        return self.take()

    def take(self) -> list[Event]:
        events, self._receiver.events = self._receiver.events, []
        return events

    def request(self, subject: str, data: bytes = b"", lines: str = "") -> list[Event]:
        self._count += 1
        return self.send(encode(subject, f"r.{self._count}", data, lines))

    def api(self, endpoint: str, body: object = None) -> dict[str, Any]:
        """Return the reply of an endpoint of the API."""
        data = b"" if body is None else json.dumps(body).encode()
        (event,) = self.request(f"$JS.API.{endpoint}", data)
        reply: dict[str, Any] = json.loads(event.data)
        return reply

    def create(self, name: str = "S", **config: Any) -> None:
        wanted = {"name": name, "subjects": [f"{name.lower()}.>"], "allow_direct": True, **config}
        assert "error" not in self.api(f"STREAM.CREATE.{name}", wanted)

    def store(self, subject: str, data: bytes = b"", lines: str = "") -> dict[str, Any] | None:
        """Return the acknowledgement; None when there is none."""
        replies = [event for event in self.request(subject, data, lines) if event.subject.startswith("r.")]
        return json.loads(replies[0].data) if replies else None

    def direct(self, body: object, name: str = "S") -> list[Event]:
        return self.request(f"$JS.API.DIRECT.GET.{name}", json.dumps(body).encode())

    def sequences(self, name: str = "S") -> list[int]:
        """Return the stored sequences, read from the leader."""
        return list(self.model.streams[name].store.sequences.iterate())

    def _on_close(self) -> None:
        self.is_open = False
