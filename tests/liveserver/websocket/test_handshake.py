"""The door: who may connect, and what is asked for."""

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from liveserver.auth.authenticator import may_connect
from liveserver.auth.refusals import Refusal
from liveserver.view.topics import Wanted
from liveserver.websocket.handshake import Door, wanted


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (None, True),
        ("http://live.example:8888", True),
        ("https://LIVE.example:8888", True),
        ("http://evil.example", False),
        ("http://live.example:9999", False),
        ("null", True),
    ],
)
def test_only_our_own_page_and_allowed_ones_may_connect(origin: str | None, is_allowed: bool) -> None:
    assert may_connect(origin, "live.example:8888", frozenset({"null"})) is is_allowed


def test_any_page_may_connect_where_that_was_asked_for() -> None:
    assert may_connect("http://evil.example", "live.example", frozenset({"*"}))


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (b"", Wanted()),
        (b"symbol=BTCUSDT", Wanted("BTCUSDT")),
        (b"symbol=BTC%2FUSDT%3AUSDT&venue=sim&interval=5m", Wanted("BTC/USDT:USDT", "sim", "5m")),
        (b"symbol=%ff&%%&x=1", Wanted("\ufffd")),
    ],
)
def test_the_query_says_what_to_show(query: bytes, asked: Wanted) -> None:
    assert wanted(query) == asked


@pytest.mark.parametrize(
    ("path", "origins", "answer"),
    [
        ("/ws?symbol=ETHUSDT", [], [Wanted("ETHUSDT")]),
        ("/ws?symbol=ETHUSDT&symbol=*", [], [Wanted("ETHUSDT"), Wanted("*")]),
        ("/elsewhere", [], 404),
        ("/ws", ["http://evil.example"], 403),
        ("/ws", ["http://live.example", "http://live.example"], 400),
    ],
)
def test_a_handshake_is_answered(path: str, origins: list[str], answer: list[Wanted] | int) -> None:
    headers = Headers(Host="live.example")
    for origin in origins:
        headers["Origin"] = origin

    admitted = Door(frozenset()).admit(Request(path, headers))

    assert (admitted.status if isinstance(admitted, Refusal) else admitted.wanted) == answer
