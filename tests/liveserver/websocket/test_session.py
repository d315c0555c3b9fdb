"""A session without sockets: a client's protocol on one side, a hub on the other."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State

from liveserver.auth.roles import Identity
from liveserver.hub.group import CloseCode, Viewer
from liveserver.hub.hub import Hub
from liveserver.metrics import Metrics
from liveserver.protocol.client_messages import ControlRequest, Request, Subscribe
from liveserver.protocol.server_messages import Message
from liveserver.view.projection import Projection
from liveserver.websocket.connection_limit import ConnectionLimit
from liveserver.websocket.context import Limits
from liveserver.websocket.handshake import HandshakePolicy
from liveserver.websocket.session import Session
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.reading import URI, messages_in


class FakeServer:
    """A hub with one symbol; implements `SessionContext`."""

    def __init__(self, **limits: Any) -> None:
        self.hub = Hub(Metrics())
        self.handshake_policy = HandshakePolicy(frozenset())
        self.limits = Limits(**limits)
        self.connection_limit = ConnectionLimit(self.limits.connections, self.limits.connections_per_address)
        self.drops = 0
        self.commands: list[tuple[Identity, ControlRequest]] = []
        self.projection = Projection()
        self.projection.apply(events.ticker(), 1)
        self.hub.set_projection(self.projection)

    def greeting(self) -> Sequence[Message]:
        return ()

    def count_dropped(self) -> None:
        self.drops += 1

    def command(self, viewer: Viewer, identity: Identity, address: str, request: ControlRequest) -> None:
        self.commands.append((identity, request))

    def handle(self, viewer: Viewer, identity: Identity, request: Request) -> None:
        assert isinstance(request, Subscribe)
        self.hub.subscribe(viewer, request.topics)

    def publish_price(self, price: str) -> None:
        self.hub.publish(self.projection.apply(events.ticker(price), 1))
        self.hub.flush()


class Client:
    """A WebSocket client and the server's session for it; implements `Transport`."""

    def __init__(
        self, server: FakeServer, path: str = "/ws", *, connects: bool = True, subprotocols: Any = None
    ) -> None:
        self.server = server
        self.protocol = ClientProtocol(parse(path), subprotocols=subprotocols)
        self.session = Session(server, self, 0.0)
        self.sent = b""
        self.is_closed = False
        self.is_aborted = False
        if connects:
            self.protocol.send_request(self.protocol.connect())
            self.flush()
            self.protocol.receive_data(self.sent)
            self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def write_eof(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def flush(self, now: float = 0.0) -> None:
        """Pass the client's pending bytes to the session."""
        self.session.receive(b"".join(self.protocol.data_to_send()), now)

    def prices(self) -> list[str]:
        return [data["last"] for kind, data in messages_in(self.sent) if kind == "ticker"]

    def close_frame(self) -> Close | None:
        """Return the server's close frame."""
        self.protocol.receive_data(self.sent)
        return self.protocol.close_rcvd


def parse(path: str) -> Any:
    return type(URI)(False, "live.example", 80, path.partition("?")[0], path.partition("?")[2])


def test_handshake_subscribes_the_viewer_and_sends_the_snapshot() -> None:
    client = Client(FakeServer())

    assert client.protocol.state is State.OPEN
    kinds = [event.opcode for event in client.protocol.events_received() if isinstance(event, Frame)]
    assert set(kinds) == {Opcode.TEXT}
    assert len(client.server.hub) == 1


@pytest.mark.parametrize("path", ["/elsewhere", "/"])
def test_rejected_handshake_ends_the_connection(path: str) -> None:
    client = Client(FakeServer(), path)

    assert "404" in str(client.protocol.handshake_exc)
    assert client.is_closed
    assert len(client.server.hub) == 0


def test_request_without_upgrade_is_rejected() -> None:
    client = Client(FakeServer(), connects=False)

    client.session.receive(b"GET /ws HTTP/1.1\r\nHost: live.example\r\n\r\n", 0.0)

    assert client.sent.startswith(b"HTTP/1.1 426 ")
    assert client.is_closed


def test_backlog_is_sent_in_one_write_when_unblocked() -> None:
    client = Client(FakeServer())
    client.session.block()
    for price in ("1", "2"):
        client.server.publish_price(price)
    assert client.sent == b""

    client.session.unblock()

    assert client.prices() == ["1", "2"]


@pytest.mark.parametrize("limits", [{"backlog_messages": 2}, {"backlog_bytes": 300}])
def test_viewer_with_a_full_backlog_is_disconnected(limits: dict[str, int]) -> None:
    client = Client(FakeServer(**limits))
    client.session.block()
    for price in ("1", "2", "3"):
        client.server.publish_price(price)

    close = client.close_frame()

    assert close is not None
    assert (close.code, client.server.drops, len(client.server.hub)) == (CloseCode.TOO_SLOW, 1, 0)
    assert client.prices() == []


def test_connection_is_aborted_after_the_linger_time() -> None:
    client = Client(FakeServer())
    client.session.close(CloseCode.GOING_AWAY, "stopping")

    client.session.tick(4.9)
    assert not client.is_aborted
    client.session.tick(5.0)
    assert client.is_aborted


def test_close_frame_is_answered_and_ends_the_connection() -> None:
    client = Client(FakeServer())
    client.protocol.send_close(1000, "bye")
    client.flush()

    close = client.close_frame()

    assert close is not None
    assert (close.code, close.reason, client.is_closed) == (1000, "bye", True)
    client.server.publish_price("1")
    assert client.prices() == []


def test_own_close_frame_waits_for_the_answer() -> None:
    client = Client(FakeServer())
    client.session.close(CloseCode.GOING_AWAY, "y" * 500)
    assert not client.is_closed

    close = client.close_frame()
    client.flush()

    assert close is not None
    assert (close.code, len(close.reason), client.is_closed) == (1001, 120, True)


def test_ping_is_sent_when_due_and_its_pong_keeps_the_viewer() -> None:
    client = Client(FakeServer())
    client.session.tick(53.9)
    assert client.sent == b""
    client.session.tick(54.0)
    client.protocol.receive_data(client.sent)
    client.sent = b""
    client.flush(now=55.0)

    client.session.tick(107.0)
    assert client.sent == b""
    assert not client.is_closed


def test_viewer_without_a_pong_is_disconnected() -> None:
    client = Client(FakeServer())
    for now in (54.0, 108.0, 114.0):
        client.session.tick(now)

    close = client.close_frame()

    assert close is not None
    assert (close.code, close.reason) == (CloseCode.POLICY_VIOLATION, "no answer to a ping")


def test_ping_is_answered() -> None:
    client = Client(FakeServer())
    client.protocol.send_ping(b"there?")
    client.flush()

    assert client.sent == Frame(Opcode.PONG, b"there?").serialize(mask=False)


def binary(client: ClientProtocol) -> None:
    client.send_binary(b"\0")


def too_long(client: ClientProtocol) -> None:
    client.send_text(b"x" * 3000, fin=False)
    client.send_continuation(b"x" * 3000, fin=True)


def invalid_utf8(client: ClientProtocol) -> None:
    client.send_text(b"\xc3", fin=False)
    client.send_continuation(b"\x28", fin=True)


def too_much(client: ClientProtocol) -> None:
    for _ in range(60):
        client.send_ping(b"")


def unmasked(client: ClientProtocol) -> None:
    client.writes.append(Frame(Opcode.TEXT, b"x").serialize(mask=False))


def binary_then_garbage(client: ClientProtocol) -> None:
    binary(client)
    client.writes.append(b"\xff\xff\xff\xff")


@pytest.mark.parametrize(
    ("send", "code"),
    [(binary, 1003), (too_long, 1009), (invalid_utf8, 1007), (too_much, 4429), (unmasked, 1002)],
)
def test_protocol_violation_ends_the_connection(send: Callable[[ClientProtocol], None], code: int) -> None:
    client = Client(FakeServer())
    send(client.protocol)
    client.flush()

    close = client.close_frame()

    assert close is not None
    assert close.code == code


def test_several_violations_are_answered_by_one_close_frame() -> None:
    client = Client(FakeServer())
    binary_then_garbage(client.protocol)
    client.flush()

    assert client.close_frame() is not None
    assert client.is_closed


def test_character_split_between_fragments_is_valid() -> None:
    client = Client(FakeServer())
    client.protocol.send_text(b"\xc3", fin=False)
    client.protocol.send_continuation(b"\xa9", fin=True)
    client.flush()

    client.server.publish_price("1")

    assert client.prices() == ["1"]


@pytest.mark.parametrize(("offered", "chosen"), [(["other", "opensqt.v2"], "opensqt.v2"), (["other"], None)])
def test_only_the_own_subprotocol_is_selected(offered: list[str], chosen: str | None) -> None:
    client = Client(FakeServer(), subprotocols=offered)

    assert client.protocol.subprotocol == chosen
    assert len(client.server.hub) == 1


def test_viewer_switches_symbols_by_a_message() -> None:
    client = Client(FakeServer(), subprotocols=["opensqt.v2"])
    client.server.hub.publish(client.server.projection.apply(events.ticker("7", symbol=ETH), 1))

    client.protocol.send_text(b'{"type":"subscribe","data":{"topics":[{"symbol":"ETHUSDT"}]}}')
    client.flush()
    client.server.publish_price("101")

    assert client.prices() == ["7"]


@pytest.mark.parametrize(
    "text",
    [
        b"hello",
        b"{}",
        b'{"type":"subscribe","data":{"topics":[]}}',
        b'{"type":"subscribe","data":{"topics":[{"symbol":"DOGEUSDT"}]}}',
        b'{"type":"subscribe","data":{"topics":[{"symbols":"DOGEUSDT"}]}}',
    ],
)
def test_invalid_request_is_answered_and_changes_nothing(text: bytes) -> None:
    client = Client(FakeServer(), subprotocols=["opensqt.v2"])
    client.protocol.send_text(text)
    client.flush()
    client.server.publish_price("101")

    assert [kind for kind, _ in messages_in(client.sent)] == ["error", "ticker"]


def test_connections_of_an_address_are_limited_until_one_closes() -> None:
    server = FakeServer(connections_per_address=1)
    first = Client(server)

    assert "429" in str(Client(server).protocol.handshake_exc)
    first.session.lost()
    first.session.lost()
    assert Client(server).protocol.state is State.OPEN


def test_lost_viewer_is_removed_from_the_hub() -> None:
    client = Client(FakeServer())
    client.session.lost()

    assert len(client.server.hub) == 0
    assert not client.session.send(b"", 0)
