"""A session, without sockets: a client's protocol on one side, a hub on the other."""

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
from liveserver.websocket.connection_limit import Turnstile
from liveserver.websocket.context import Limits
from liveserver.websocket.handshake import Door
from liveserver.websocket.session import Session
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.reading import URI, messages_in


class Theatre:
    """A hub that shows one symbol; implements `Stage`."""

    def __init__(self, **limits: Any) -> None:
        self.hub = Hub(Metrics())
        self.door = Door(frozenset())
        self.limits = Limits(**limits)
        self.turnstile = Turnstile(self.limits.connections, self.limits.connections_per_address)
        self.drops = 0
        self.commands: list[tuple[Identity, ControlRequest]] = []
        self.projection = Projection()
        self.projection.apply(events.ticker(), 1)
        self.hub.show(self.projection)

    def greeting(self) -> Sequence[Message]:
        return ()

    def dropped(self) -> None:
        self.drops += 1

    def command(self, viewer: Viewer, identity: Identity, request: ControlRequest) -> None:
        self.commands.append((identity, request))

    def asked(self, viewer: Viewer, said: Request) -> None:
        assert isinstance(said, Subscribe)
        self.hub.subscribe(viewer, said.wanted)

    def tell(self, price: str) -> None:
        self.hub.publish(self.projection.apply(events.ticker(price), 1))
        self.hub.flush()


class Browser:
    """A client and its session; implements `Outlet`."""

    def __init__(
        self, stage: Theatre, path: str = "/ws", *, joins: bool = True, subprotocols: Any = None
    ) -> None:
        self.stage = stage
        self.client = ClientProtocol(parse(path), subprotocols=subprotocols)
        self.session = Session(stage, self, 0.0)
        self.sent = b""
        self.is_closed = False
        self.is_aborted = False
        if joins:
            self.client.send_request(self.client.connect())
            self.speak()
            self.client.receive_data(self.sent)
            self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def write_eof(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def speak(self, now: float = 0.0) -> None:
        """Send what the client has to say."""
        self.session.receive(b"".join(self.client.data_to_send()), now)

    def prices(self) -> list[str]:
        return [data["last"] for kind, data in messages_in(self.sent) if kind == "ticker"]

    def why(self) -> Close | None:
        """Return what the server's close frame says."""
        self.client.receive_data(self.sent)
        return self.client.close_rcvd


def parse(path: str) -> Any:
    return type(URI)(False, "live.example", 80, path.partition("?")[0], path.partition("?")[2])


def test_a_handshake_seats_the_viewer_and_shows_it_the_snapshot() -> None:
    browser = Browser(Theatre())

    assert browser.client.state is State.OPEN
    kinds = [event.opcode for event in browser.client.events_received() if isinstance(event, Frame)]
    assert set(kinds) == {Opcode.TEXT}
    assert len(browser.stage.hub) == 1


@pytest.mark.parametrize("path", ["/elsewhere", "/"])
def test_a_refused_handshake_ends_the_connection(path: str) -> None:
    browser = Browser(Theatre(), path)

    assert "404" in str(browser.client.handshake_exc)
    assert browser.is_closed
    assert len(browser.stage.hub) == 0


def test_a_request_that_is_no_handshake_is_refused() -> None:
    browser = Browser(Theatre(), joins=False)

    browser.session.receive(b"GET /ws HTTP/1.1\r\nHost: live.example\r\n\r\n", 0.0)

    assert browser.sent.startswith(b"HTTP/1.1 426 ")
    assert browser.is_closed


def test_a_blocked_viewer_gets_what_waited_in_one_write() -> None:
    browser = Browser(Theatre())
    browser.session.block()
    for price in ("1", "2"):
        browser.stage.tell(price)
    assert browser.sent == b""

    browser.session.unblock()

    assert browser.prices() == ["1", "2"]


@pytest.mark.parametrize("limits", [{"backlog_messages": 2}, {"backlog_bytes": 300}])
def test_a_viewer_that_lets_too_much_wait_is_told_so_and_let_go(limits: dict[str, int]) -> None:
    browser = Browser(Theatre(**limits))
    browser.session.block()
    for price in ("1", "2", "3"):
        browser.stage.tell(price)

    why = browser.why()

    assert why is not None
    assert (why.code, browser.stage.drops, len(browser.stage.hub)) == (CloseCode.TOO_SLOW, 1, 0)
    assert browser.prices() == []


def test_a_viewer_that_does_not_fetch_its_close_is_cut_off() -> None:
    browser = Browser(Theatre())
    browser.session.close(CloseCode.GOING_AWAY, "stopping")

    browser.session.tick(4.9)
    assert not browser.is_aborted
    browser.session.tick(5.0)
    assert browser.is_aborted


def test_a_close_is_answered_and_ends_the_connection() -> None:
    browser = Browser(Theatre())
    browser.client.send_close(1000, "bye")
    browser.speak()

    why = browser.why()

    assert why is not None
    assert (why.code, why.reason, browser.is_closed) == (1000, "bye", True)
    browser.stage.tell("1")
    assert browser.prices() == []


def test_a_close_of_ours_waits_for_the_answer() -> None:
    browser = Browser(Theatre())
    browser.session.close(CloseCode.GOING_AWAY, "y" * 500)
    assert not browser.is_closed

    why = browser.why()
    browser.speak()

    assert why is not None
    assert (why.code, len(why.reason), browser.is_closed) == (1001, 120, True)


def test_a_ping_goes_out_when_it_is_due_and_its_answer_keeps_the_viewer() -> None:
    browser = Browser(Theatre())
    browser.session.tick(53.9)
    assert browser.sent == b""
    browser.session.tick(54.0)
    browser.client.receive_data(browser.sent)
    browser.sent = b""
    browser.speak(now=55.0)

    browser.session.tick(107.0)
    assert browser.sent == b""
    assert not browser.is_closed


def test_a_viewer_that_answers_no_ping_is_let_go() -> None:
    browser = Browser(Theatre())
    for now in (54.0, 108.0, 114.0):
        browser.session.tick(now)

    why = browser.why()

    assert why is not None
    assert (why.code, why.reason) == (CloseCode.POLICY_VIOLATION, "no answer to a ping")


def test_a_ping_is_answered() -> None:
    browser = Browser(Theatre())
    browser.client.send_ping(b"there?")
    browser.speak()

    assert browser.sent == Frame(Opcode.PONG, b"there?").serialize(mask=False)


def binary(client: ClientProtocol) -> None:
    client.send_binary(b"\0")


def too_long(client: ClientProtocol) -> None:
    client.send_text(b"x" * 3000, fin=False)
    client.send_continuation(b"x" * 3000, fin=True)


def no_utf8(client: ClientProtocol) -> None:
    client.send_text(b"\xc3", fin=False)
    client.send_continuation(b"\x28", fin=True)


def too_much(client: ClientProtocol) -> None:
    for _ in range(60):
        client.send_ping(b"")


def unmasked(client: ClientProtocol) -> None:
    client.writes.append(Frame(Opcode.TEXT, b"x").serialize(mask=False))


def binary_and_then_nonsense(client: ClientProtocol) -> None:
    binary(client)
    client.writes.append(b"\xff\xff\xff\xff")


@pytest.mark.parametrize(
    ("say", "code"),
    [(binary, 1003), (too_long, 1009), (no_utf8, 1007), (too_much, 4429), (unmasked, 1002)],
)
def test_nonsense_ends_the_connection(say: Callable[[ClientProtocol], None], code: int) -> None:
    browser = Browser(Theatre())
    say(browser.client)
    browser.speak()

    why = browser.why()

    assert why is not None
    assert why.code == code


def test_several_faults_at_once_are_answered_by_one_close() -> None:
    browser = Browser(Theatre())
    binary_and_then_nonsense(browser.client)
    browser.speak()

    assert browser.why() is not None
    assert browser.is_closed


def test_a_character_split_between_fragments_is_fine() -> None:
    browser = Browser(Theatre())
    browser.client.send_text(b"\xc3", fin=False)
    browser.client.send_continuation(b"\xa9", fin=True)
    browser.speak()

    browser.stage.tell("1")

    assert browser.prices() == ["1"]


@pytest.mark.parametrize(("offered", "chosen"), [(["other", "opensqt.v2"], "opensqt.v2"), (["other"], None)])
def test_the_subprotocol_is_ours_or_none(offered: list[str], chosen: str | None) -> None:
    browser = Browser(Theatre(), subprotocols=offered)

    assert browser.client.subprotocol == chosen
    assert len(browser.stage.hub) == 1


def test_a_viewer_switches_by_a_message() -> None:
    browser = Browser(Theatre(), subprotocols=["opensqt.v2"])
    browser.stage.hub.publish(browser.stage.projection.apply(events.ticker("7", symbol=ETH), 1))

    browser.client.send_text(b'{"type":"subscribe","data":{"topics":[{"symbol":"ETHUSDT"}]}}')
    browser.speak()
    browser.stage.tell("101")

    assert browser.prices() == ["7"]


@pytest.mark.parametrize(
    "said",
    [
        b"hello",
        b"{}",
        b'{"type":"subscribe","data":{"topics":[]}}',
        b'{"type":"subscribe","data":{"topics":[{"symbol":"DOGEUSDT"}]}}',
        b'{"type":"subscribe","data":{"topics":[{"symbols":"DOGEUSDT"}]}}',
    ],
)
def test_what_is_not_understood_is_answered_and_changes_nothing(said: bytes) -> None:
    browser = Browser(Theatre(), subprotocols=["opensqt.v2"])
    browser.client.send_text(said)
    browser.speak()
    browser.stage.tell("101")

    assert [kind for kind, _ in messages_in(browser.sent)] == ["error", "ticker"]


def test_too_many_viewers_of_one_address_are_refused_until_one_leaves() -> None:
    stage = Theatre(connections_per_address=1)
    first = Browser(stage)

    assert "429" in str(Browser(stage).client.handshake_exc)
    first.session.lost()
    first.session.lost()
    assert Browser(stage).client.state is State.OPEN


def test_a_viewer_that_went_is_forgotten() -> None:
    browser = Browser(Theatre())
    browser.session.lost()

    assert len(browser.stage.hub) == 0
    assert not browser.session.send(b"", 0)
