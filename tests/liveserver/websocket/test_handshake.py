"""Handshake policy: origins, topics, answers."""

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from liveserver.auth.authenticator import is_allowed_origin
from liveserver.auth.error_responses import ErrorResponse
from liveserver.protocol.client_messages import RequestedTopic
from liveserver.websocket.handshake import HandshakePolicy, topics_in


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
def test_only_own_and_allowed_origins_may_connect(origin: str | None, is_allowed: bool) -> None:
    assert is_allowed_origin(origin, "live.example:8888", frozenset({"null"})) is is_allowed


def test_wildcard_allows_every_origin() -> None:
    assert is_allowed_origin("http://evil.example", "live.example", frozenset({"*"}))


@pytest.mark.parametrize(
    ("query", "topic"),
    [
        (b"", RequestedTopic()),
        (b"symbol=BTCUSDT", RequestedTopic("BTCUSDT")),
        (b"symbol=BTC%2FUSDT%3AUSDT&venue=sim&interval=5m", RequestedTopic("BTC/USDT:USDT", "sim", "5m")),
        (b"symbol=%ff&%%&x=1", RequestedTopic("\ufffd")),
    ],
)
def test_query_names_the_topic(query: bytes, topic: RequestedTopic) -> None:
    assert topics_in(query) == [topic]


@pytest.mark.parametrize(
    ("path", "origins", "answer"),
    [
        ("/ws?symbol=ETHUSDT", [], [RequestedTopic("ETHUSDT")]),
        ("/ws?symbol=ETHUSDT&symbol=*", [], [RequestedTopic("ETHUSDT"), RequestedTopic("*")]),
        ("/elsewhere", [], 404),
        ("/ws", ["http://evil.example"], 403),
        ("/ws", ["http://live.example", "http://live.example"], 400),
    ],
)
def test_handshake_is_answered(path: str, origins: list[str], answer: list[RequestedTopic] | int) -> None:
    headers = Headers(Host="live.example")
    for origin in origins:
        headers["Origin"] = origin

    found = HandshakePolicy(frozenset()).check(Request(path, headers))

    assert (found.status if isinstance(found, ErrorResponse) else found.topics) == answer
