"""Sends the same bytes to both servers and compares everything that they answer and deliver."""

import time

from lab.simulation.bus_model.differential.peers import ModelPeer, RealPeer
from lab.simulation.bus_model.differential.wire import difference

REPLY_TIMEOUT_S = 30.0
RETRY_S = 0.02
STORE_NOT_CREATED = b'"err_code":10049,"description":"error creating store'
CONNECT = (
    b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"name":"first"}\r\n',
    b'CONNECT {"verbose":true,"pedantic":true,"headers":true,"no_responders":true,"name":"second"}\r\n',
    b'CONNECT {"verbose":false,"headers":true,"echo":false,"pedantic":false,"name":"third"}\r\n',
    b'CONNECT {"verbose":false,"headers":false,"name":"fourth"}\r\n',
)
CLIENTS = len(CONNECT)


class DifferenceError(Exception):
    """The servers differ."""


class Comparison:
    """The two servers with the same client connections. Use as a context manager."""

    def __init__(self, seed: int) -> None:
        self.model = ModelPeer(CLIENTS, seed)
        self.real = RealPeer(CLIENTS)
        self.groups: list[dict[str, str]] = [{} for _ in range(CLIENTS)]
        """By client: the queue group of each subscription that has one."""
        self._recent: list[str] = []
        self._last = (0, b"")
        for client in range(CLIENTS):
            self._open(client)

    def __enter__(self) -> "Comparison":
        return self

    def __exit__(self, *_: object) -> None:
        self.real.stop()

    def send(self, client: int, data: bytes, *, is_complete: bool = True) -> None:
        """Send bytes to both servers; compare with `compare`. They are complete operations, or have a continuation."""
        self._recent = [*self._recent[-19:], f"{client}: {data[:600]!r}"]
        self.model.model.advance(time.time_ns())
        self._last = (client, data)
        before = self.model.receivers[client].count
        self.model.send(client, data)
        self.real.send(client, data)
        has_reply = self.model.receivers[client].count > before
        if is_complete and not has_reply and not self.model.is_closed(client):
            # The reply to a ping shows that the operation was carried out before one of another client.
            self.model.send(client, b"PING\r\n")
            self.real.send(client, b"PING\r\n")

    def compare(self) -> None:
        """Wait until the real server has sent as much as the model, and compare.

        Raises: DifferenceError.
        """
        self._wait()
        while self._has_rejected_store():
            time.sleep(RETRY_S)
            self.real.send(*self._last)
            self._wait()
        for client in range(CLIENTS):
            real, model = self.real.receivers[client], self.model.receivers[client]
            found = difference(real.events, model.events, self.groups[client])
            if found or self.real.is_closed(client) is not self.model.is_closed(client):
                raise DifferenceError(
                    f"client {client}: {found or 'one server closed the connection'}\nafter:\n  "
                    + "\n  ".join([*self._recent, f"streams: {self._streams()}"])
                )
            real.events.clear()
            model.events.clear()
            if self.model.is_closed(client):
                self._open(client)

    def _streams(self) -> str:
        found = self.model.model.streams.values()
        return ", ".join(f"{each.name} ({each.config.storage}, {len(each.store.messages)})" for each in found)

    def restart(self, *, is_killed: bool) -> None:
        """Restart both servers, and connect again."""
        self._recent.append(f"restart, {is_killed=}")
        self.compare()
        self.real.restart(is_killed=is_killed)
        self.model.model.advance(time.time_ns())
        self.model.model.restart()
        for client in range(CLIENTS):
            self._open(client)

    def _open(self, client: int) -> None:
        self.groups[client].clear()
        for peer in (self.model, self.real):
            peer.open(client)
            peer.send(client, CONNECT[client] + b"SUB r.%d.> inbox\r\nPING\r\n" % client)
        self.compare_opened(client)

    def compare_opened(self, client: int) -> None:
        """Wait until a connection is established on both servers."""
        real, model = self.real.receivers[client], self.model.receivers[client]
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        while len(real.events) < len(model.events) and time.monotonic() < deadline:
            self.real.receive(0.2)
        if found := difference(real.events, model.events, {}):
            raise DifferenceError(f"client {client}, handshake: {found}")
        real.events.clear()
        model.events.clear()

    def _wait(self) -> None:
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        while self._is_waiting() and time.monotonic() < deadline:
            self.real.receive(0.2)
        while self.real.receive(0):
            pass

    def _has_rejected_store(self) -> bool:
        """Return whether the real server still deletes the files of a stream that is created again, and drop its reply."""
        events = self.real.receivers[self._last[0]].events
        rejected = [event for event in events if STORE_NOT_CREATED in event.data]
        for _ in rejected:
            self.model.model.api.count_error()
        if rejected:
            events[:] = [event for event in events if event not in rejected and event.data != b"+OK"]
        return bool(rejected)

    def _is_waiting(self) -> bool:
        return any(
            (
                self.real.receivers[client].count < self.model.receivers[client].count
                and not self.real.is_closed(client)
            )
            or (self.model.is_closed(client) and not self.real.is_closed(client))
            for client in range(CLIENTS)
        )
