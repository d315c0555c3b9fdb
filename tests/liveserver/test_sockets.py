"""The WebSocket end, without a network: who may connect, what is asked for, how it ends."""

import asyncio
from typing import Any

import pytest
from tests.liveserver import events

from liveserver.hub import CloseCode, Hub, Wanted
from liveserver.metrics import Metrics
from liveserver.projection import Projection
from liveserver.sockets import PATIENCE, may_connect, serve_viewer, wanted


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


class Browser:
    """The other end of an ASGI connection."""

    def __init__(self) -> None:
        self.says: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.hears: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.hub = Hub(Metrics())
        projection = Projection()
        projection.apply(events.ticker(), 1)
        self.hub.show(projection)

    async def end_of(self, asked: Wanted) -> tuple[CloseCode | None, list[dict[str, Any]]]:
        """Connect and return why it ended and all that was heard."""
        code = await serve_viewer(self.says.get, self.hears.put, self.hub, asked)
        return code, [self.hears.get_nowait() for _ in range(self.hears.qsize())]


async def test_a_browser_that_leaves_is_forgotten() -> None:
    browser = Browser()
    browser.says.put_nowait({"type": "websocket.disconnect", "code": 1001})

    code, heard = await browser.end_of(Wanted())

    assert code is None
    assert "websocket.close" not in {message["type"] for message in heard}
    assert len(browser.hub) == 0


async def test_an_unknown_symbol_ends_with_one_message_and_its_code() -> None:
    code, heard = await Browser().end_of(Wanted("x" * 500))

    assert code is CloseCode.UNKNOWN_SYMBOL
    assert [message["type"] for message in heard] == ["websocket.send", "websocket.close"]
    assert heard[-1]["code"] == 4404
    assert len(heard[-1]["reason"]) <= 120


@pytest.mark.parametrize(
    ("said", "times", "why"),
    [
        ({"type": "websocket.receive", "bytes": b"\0"}, 1, CloseCode.UNSUPPORTED_DATA),
        ({"type": "websocket.receive", "text": "hello"}, PATIENCE, CloseCode.POLICY_VIOLATION),
    ],
)
async def test_nonsense_ends_the_connection(said: dict[str, Any], times: int, why: CloseCode) -> None:
    browser = Browser()
    for _ in range(times):
        browser.says.put_nowait(said)

    code, heard = await browser.end_of(Wanted())

    assert code is why
    assert heard[-1] == {"type": "websocket.close", "code": int(why), "reason": heard[-1]["reason"]}
