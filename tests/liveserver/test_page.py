"""The page in Chromium, with a real live server and bus.

The development build of the chart library is used, because it validates its input.
"""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace
from playwright.async_api import Browser, Page, Route, async_playwright

from bus import Bus
from liveserver.http.assets import WEB
from liveserver.hub.replica import Replica
from schemas.grid.reasons import explain
from schemas.grid.view import NotQuoting
from schemas.venue.market import FeedState
from schemas.venue.orders import OrderStatus
from tests.liveserver import events
from tests.liveserver.demo import DemoMarket, markets, publish_history
from tests.liveserver.watching import publish, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MINUTES = 50
MINUS, NARROW = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
    ),
]


@dataclass
class Demo:
    """A live server with two traded symbols."""

    bus: Bus
    replica: Replica
    btc: DemoMarket
    eth: DemoMarket


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def demo(module_bus: Bus) -> AsyncIterator[Demo]:
    btc, eth, _ = markets(MINUTES)
    await publish_history(module_bus, btc)
    await publish_history(module_bus, eth)
    async with serving(module_bus.url) as replica:
        yield Demo(module_bus, replica, btc, eth)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


class OpenPage:
    """An open page, and the errors and warnings in its console."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.console_errors: list[str] = []
        self.may_be_offline = False
        """Whether failed connection attempts, which Chromium reports itself, are expected."""
        page.on("console", lambda message: self._record(message.type, message.text))
        page.on("pageerror", lambda error: self._record("error", str(error)))

    async def open(self, demo: Demo, query: str = "") -> None:
        await self.page.goto(f"{demo.replica.address}/{query}")
        await self.until("window.__opensqt?.inspect().bars > 0")

    async def until(self, condition: str) -> None:
        """Wait for an expression to hold."""
        # A function: the page's security policy forbids evaluating a text.
        await self.page.wait_for_function(f"() => {condition}", timeout=10_000)

    async def inspect(self) -> dict[str, Any]:
        """Return what is drawn on the chart."""
        drawn: dict[str, Any] = await self.page.evaluate("() => __opensqt.inspect()")
        return drawn

    async def text(self, selector: str) -> str:
        return (await self.page.text_content(selector)) or ""

    async def figure(self, selector: str) -> float:
        """Return the number in an element."""
        return float((await self.text(selector)).replace(MINUS, "-").replace(",", ""))

    def _record(self, kind: str, text: str) -> None:
        is_connection_failure = text.startswith("WebSocket connection to") or "ERR_CONNECTION_REFUSED" in text
        is_expected = is_connection_failure and self.may_be_offline
        if kind in {"error", "warning"} and not is_expected:
            self.console_errors.append(text)


@pytest_asyncio.fixture(loop_scope="module")
async def view(browser: Browser) -> AsyncIterator[OpenPage]:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    await page.route("**/vendor/lightweight-charts.mjs", _development_library)
    view = OpenPage(page)
    yield view
    await page.close()
    assert view.console_errors == []


async def _development_library(route: Route) -> None:
    path = WEB / "vendor" / "lightweight-charts.development.mjs"
    await route.fulfill(path=path, content_type="text/javascript")


async def test_candles_orders_fills_and_levels_are_drawn(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    drawn = await view.inspect()

    prices = {float(order.price) for order in demo.btc.grid.sweep(0, 0)[1].orders}  # type: ignore[attr-defined]
    assert drawn["bars"] == MINUTES + 1
    assert {order["price"] for order in drawn["orders"]} == prices
    assert {order["title"] for order in drawn["orders"]} == {"0.006"}
    assert len(drawn["fills"]) == demo.btc.grid.opened + demo.btc.grid.pairs
    assert {fill["shape"] for fill in drawn["fills"]} == {"arrowUp", "arrowDown"}
    assert drawn["levels"] >= len(prices)
    assert drawn["bands"] == demo.btc.grid.opened - demo.btc.grid.pairs


async def test_figures_match_the_grid_and_add_up(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)

    parts = [await view.figure(f"#{name}") for name in ("grid-profit", "unpaired", "open-fees", "funding")]
    total = await view.figure("#total")

    assert parts[0] == pytest.approx(float(demo.btc.grid.profit), abs=0.01)
    assert total == pytest.approx(sum(parts), abs=0.03)
    assert total == pytest.approx(float(demo.btc.grid.view(demo.btc.price, 0).total_profit), abs=0.01)
    assert await view.text("#position") == f"{demo.btc.grid.position.normalize()} BTC"
    assert re.match(rf"[\d,]+\.\d\d · [+{MINUS}]?[\d.]+ · BTCUSDT", await view.page.title())


async def test_filled_order_is_replaced_by_a_fill(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    before = await view.inspect()
    price = str(demo.btc.price - 1)

    await publish(demo.bus, events.report("manual", price=price))
    await view.until(f"__opensqt.inspect().orders.length === {len(before['orders']) + 1}")
    trade = events.trade("manual-1", "manual", second=demo.btc.grid.start_ns / 1e9 - events.START_S + 60)
    await publish(demo.bus, events.report("manual", OrderStatus.FILLED, "1", price=price), trade)

    await view.until(f"__opensqt.inspect().orders.length === {len(before['orders'])}")
    await view.until(f"__opensqt.inspect().fills.length === {len(before['fills']) + 1}")


async def test_profit_follows_the_price(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    before = await view.figure("#total")
    moved = demo.btc.price + 100

    await publish(demo.bus, events.ticker(str(moved)))
    await view.until(f"__opensqt.store.price === {moved}")
    await view.until(f"document.querySelector('#price').textContent === '{moved:,.2f}'")

    assert await view.figure("#total") == pytest.approx(
        before + 100 * float(demo.btc.grid.position), abs=0.02
    )
    await publish(demo.bus, events.ticker(str(demo.btc.price)))


async def test_symbol_is_chosen_by_click_key_and_browser_history(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    await view.page.click("#symbols >> text=ETHUSDT")
    await view.until("__opensqt.store.status?.symbol === 'ETHUSDT' && __opensqt.inspect().bars > 0")
    assert view.page.url.endswith("?symbol=ETHUSDT")
    assert len((await view.inspect())["fills"]) == demo.eth.grid.opened + demo.eth.grid.pairs

    await view.page.keyboard.press("[")
    await view.until("__opensqt.store.status?.symbol === 'BTCUSDT'")
    await view.page.go_back()
    await view.until("__opensqt.store.status?.symbol === 'ETHUSDT'")


async def test_unknown_symbol_shows_links_to_the_known_ones(demo: Demo, view: OpenPage) -> None:
    await view.page.goto(f"{demo.replica.address}/?symbol=NOPEUSDT")
    await view.page.wait_for_selector("#waiting a")

    assert await view.page.locator("#waiting a").all_text_contents() == ["BTCUSDT", "ETHUSDT"]
    await view.page.click("#waiting >> text=ETHUSDT")
    await view.until("window.__opensqt?.store.status?.symbol === 'ETHUSDT'")


async def test_banners_show_active_conditions(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    paused = events.grid(not_quoting=NotQuoting.PAUSED, price=str(demo.btc.price))
    await publish(
        demo.bus, paused, events.feed(FeedState.DOWN, "no pong"), events.risk("volume_spike", second=2e8)
    )
    await view.until("document.querySelectorAll('.banner').length === 3")

    banners = await view.page.locator(".banner").all_text_contents()
    assert banners[0] == "The market feed is down: no pong"
    assert "volume spike" in banners[1]
    assert banners[2].startswith("Paused by an operator")
    assert await view.text("#quoting") == "paused"
    assert await view.text("#quoting-note") == explain(NotQuoting.PAUSED)[0]

    await publish(
        demo.bus,
        demo.btc.grid.view(demo.btc.price, 1),
        events.feed(FeedState.UP),
        events.risk("volume_spike", active=False, second=2e8 + 1),
    )
    await view.until("document.querySelectorAll('.banner').length === 0")


async def test_fills_say_since_when_none_is_missing(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    grid = demo.btc.grid.view(demo.btc.price, 1)
    await publish(demo.bus, replace(grid, ledger_from=1_700_000_000_000_000_000))
    note = "document.querySelector('#fills-count').textContent"
    await view.until(f"{note}.endsWith('complete since 2023-11-14 22:13 UTC')")


async def test_badge_marks_stale_data(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    assert await view.page.get_attribute("#badge", "data-state") == "live"
    assert demo.replica.name in await view.text("#badge")

    await view.page.evaluate("() => { __opensqt.store.lastMessageAt -= 60000; }")
    await view.until("document.querySelector('#badge').dataset.state === 'stale'")


async def test_page_reconnects_when_the_server_is_back(demo: Demo, view: OpenPage) -> None:
    view.may_be_offline = True
    async with AsyncExitStack() as first:
        replica = await first.enter_async_context(serving(demo.bus.url))
        port = int(replica.address.rpartition(":")[2])
        await view.open(Demo(demo.bus, replica, demo.btc, demo.eth))
        await first.aclose()
        await view.until("document.querySelector('#badge').dataset.state === 'lost'")

    async with serving(demo.bus.url, port=port):
        await view.until("document.querySelector('#badge').dataset.state === 'live'")

    assert (await view.inspect())["bars"] == MINUTES + 1


async def test_small_screen_has_one_column_with_the_chart_first(demo: Demo, view: OpenPage) -> None:
    await view.page.set_viewport_size({"width": 390, "height": 844})
    await view.open(demo)

    tops = [
        await view.page.locator(name).bounding_box() for name in (".chart", ".strip", ".profit", ".orders")
    ]
    ys = [box["y"] for box in tops if box is not None]
    assert ys == sorted(ys)
    assert len(ys) == 4
    assert await view.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


async def test_numbers_are_formatted_with_sign_and_suitable_digits(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)

    written = await view.page.evaluate(
        """async () => {
            const { money, fixed, percent, duration } = await import("/static/format.js");
            return [money(12.345), money(-0.00321), money(0), fixed(-0.001, 2), percent(-0.0123), duration(3700)];
        }"""
    )

    assert written == ["+12.35", f"{MINUS}0.0032", "0.00", "0.00", f"{MINUS}1.23{NARROW}%", f"1{NARROW}h"]


async def test_candle_between_others_resets_the_bars(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)

    changes = await view.page.evaluate(
        """async () => {
            const { Bars } = await import("/static/model/bars.js");
            const bars = new Bars();
            const at = (time, close) => ({ time, open: "1", high: "2", low: "1", close, volume: "1" });
            bars.reset([at(60, "1"), at(180, "1")]);
            bars.takeChanges();
            bars.put(at(180, "2"));
            const update = bars.takeChanges();
            bars.put(at(120, "1.25"));
            const reset = bars.takeChanges();
            return [update.isReset, update.bars.length, reset.isReset, reset.bars.map((bar) => bar.time), bars.digits];
        }"""
    )

    assert changes == [False, 1, True, [60, 120, 180], 2]


async def test_page_resumes_after_a_lost_connection_without_duplicates(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    before = await view.inspect()
    await view.page.evaluate(
        """() => {
            const { socket } = __opensqt, onMessage = socket.onMessage;
            __opensqt.kinds = [];
            socket.onMessage = (message) => { __opensqt.kinds.push(message.type); onMessage(message); };
        }"""
    )
    await view.page.evaluate("() => __opensqt.socket.handleClose(1006, 'lost')")
    second = demo.btc.grid.start_ns / 1e9 - events.START_S + 120
    await publish(demo.bus, events.report("gap", price="1"), events.trade("gap-1", "gap", second=second))
    await publish(demo.bus, events.report("gap", OrderStatus.FILLED, "1", price="1"))
    await view.until("document.querySelector('#badge').dataset.state === 'live'")
    await view.until("__opensqt.kinds.includes('streams')")

    kinds = await view.page.evaluate("() => __opensqt.kinds")
    after = await view.inspect()
    assert "resumed" in kinds
    assert not {"snapshot", "history"} & set(kinds)
    assert len(after["fills"]) == len(before["fills"]) + 1
    assert len(after["orders"]) == len(before["orders"])


async def test_replay_is_shown_and_left_again(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    before = await view.inspect()
    await view.page.click("#replay-open")
    await view.page.select_option("#replay-speed", "max")
    await view.page.click("#replay-start")
    await view.until("document.querySelector('#replay-play').textContent === 'Again'")
    assert (await view.text("#badge-text")) == "replay · ended"
    replayed = await view.inspect()

    await view.page.click("#replay-play")
    await view.until("document.querySelector('#replay-play').textContent === 'Again'")
    await view.page.click("#replay-stop")
    await view.until("document.querySelector('#badge').dataset.state === 'live'")

    assert not await view.page.is_visible("#replay-bar")
    assert (replayed["bars"], len(replayed["fills"])) == (before["bars"] - 1, len(before["fills"]))
    assert len((await view.inspect())["fills"]) == len(before["fills"])


async def test_replay_without_data_is_refused_with_a_reason(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    await view.page.click("#replay-open")
    await view.page.fill("#replay-to", "2001-01-01T00:00:00")
    await view.page.fill("#replay-from", "2000-01-01T00:00:00")
    await view.page.click("#replay-start")

    await view.until("document.querySelector('#replay-note').textContent.startsWith('no data in this range')")
    assert await view.page.get_attribute("#badge", "data-state") == "live"
