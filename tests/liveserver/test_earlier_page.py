"""Compatibility with pages written for the earlier live server, in Chromium."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from bus import Bus
from bus.service.http import Reply, serve
from liveserver.hub.replica import Replica
from schemas.venue.orders import OrderStatus
from tests.liveserver import events
from tests.liveserver.page.browsing import CHROMIUM
from tests.liveserver.watching import publish, serving

PAGE = Path(__file__).parent / "earlier_page.html"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
    ),
]


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Serve the earlier page from a separate web server."""
    body = PAGE.read_bytes()
    async with serve({"/": lambda: Reply("text/html", body)}, "127.0.0.1", 0) as address:
        yield address


@pytest.fixture
async def replica(bus: Bus, address: str) -> AsyncIterator[Replica]:
    includes = await publish(bus, events.report("a", price="99"))
    await publish(
        bus,
        *(events.candle(minute, str(100 + minute)) for minute in range(3)),
        events.trade("old", "z", second=1),
        events.sweep(events.open_order("a"), includes=includes),
        events.position("1"),
        events.balance(),
        events.ticker(),
    )
    async with serving(bus.url, allowed_origins=frozenset({address})) as replica:
        yield replica


@pytest.fixture
async def page(replica: Replica, address: str) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = await browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"{address}/?server={replica.address.removeprefix('http://')}")
        await until(page, "bars.length >= 3 && document.getElementById('balance').textContent")
        yield page
        await browser.close()
    assert errors == []


async def until(page: Page, condition: str) -> None:
    await page.wait_for_function(f"() => {condition}", timeout=10_000)


async def orders(page: Page) -> list[str]:
    return await page.locator("#orders li").all_text_contents()


async def test_earlier_page_shows_the_snapshot(page: Page) -> None:
    assert await page.evaluate("bars.map(bar => bar.close)") == [100, 101, 102]
    assert await orders(page) == ["LIMIT BUY 0/1 at 99 NEW"]
    assert await page.text_content("#position") == "LONG 1 at 98 x3: 2"
    balance = await page.text_content("#balance") or ""
    assert balance.startswith("USDT ")
    assert "NaN" not in balance
    assert await page.evaluate("toasts") == 0, "a trade of the snapshot is not announced"


async def test_earlier_page_shows_live_events(page: Page, bus: Bus) -> None:
    await publish(
        bus, events.candle(3, "103", closed=False), events.candle(3, "104"), events.candle(4, "105")
    )
    await until(page, "bars.length === 5")
    assert await page.evaluate("bars.map(bar => bar.close)") == [100, 101, 102, 104, 105]

    await publish(bus, events.report("b", price="98"))
    await until(page, "orders.size === 2")
    await publish(bus, events.report("b", OrderStatus.NEW, "0.4", price="98"))
    await until(page, "orders.get('b').status === 'PARTIALLY_FILLED'")
    assert "LIMIT BUY 0.4/1 at 98 PARTIALLY_FILLED" in await orders(page)

    await publish(bus, events.trade("t1", "b", "1"), events.report("b", OrderStatus.FILLED, "1", price="98"))
    await until(page, "orders.size === 1 && toasts === 1")
    assert await page.locator("#trades li").all_text_contents() == [
        "buy 1 at 99.5 of BTCUSDT 2023-11-14T22:14:00.000Z"
    ]

    await publish(bus, events.position("-2"))
    await until(page, "document.getElementById('position').textContent.startsWith('SHORT -2')")


async def test_earlier_page_removes_ended_orders(page: Page, bus: Bus) -> None:
    ends = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED)
    await publish(bus, *(events.report(f"ends-{end}") for end in ends))
    await until(page, "orders.size === 5")

    for left, end in zip((4, 3, 2, 1), ends, strict=True):
        await publish(bus, events.report(f"ends-{end}", end, "1" if end is OrderStatus.FILLED else "0"))
        await until(page, f"orders.size === {left}")

    # The venue's open orders no longer include the last one.
    await publish(bus, events.sweep(includes=100))
    await until(page, "orders.size === 0")
    assert await orders(page) == []
