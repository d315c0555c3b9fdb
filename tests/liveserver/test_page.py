"""The page in a real Chromium, fed by a real live server and bus, with the chart library that checks what it is given."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, async_playwright

from bus import Bus
from liveserver.http.assets import WEB
from liveserver.hub.replica import Replica
from schemas.grid.view import NotQuoting
from schemas.venue.market import FeedState
from schemas.venue.orders import OrderStatus
from tests.liveserver import events
from tests.liveserver.demo import DemoMarket, markets, publish_history
from tests.liveserver.watching import say, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MINUTES = 50
MINUS, NARROW = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)"),
]


@dataclass
class Demo:
    """A live server with two symbols that were traded."""

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


class Look:
    """One open page, and what its console complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.may_find_nobody = False
        """Chromium itself reports attempts to connect that found nobody."""
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("pageerror", lambda error: self._hear("error", str(error)))

    async def open(self, demo: Demo, query: str = "") -> None:
        await self.page.goto(f"{demo.replica.address}/{query}")
        await self.until("window.__opensqt?.inspect().bars > 0")

    async def until(self, condition: str) -> None:
        """Wait for an expression to hold."""
        # As text it would be evaluated in the page, which its security policy forbids.
        await self.page.wait_for_function(f"() => {condition}", timeout=10_000)

    async def inspect(self) -> dict[str, Any]:
        """Return what the chart draws."""
        drawn: dict[str, Any] = await self.page.evaluate("() => __opensqt.inspect()")
        return drawn

    async def text(self, selector: str) -> str:
        return (await self.page.text_content(selector)) or ""

    async def figure(self, selector: str) -> float:
        """Return the number that is written somewhere."""
        return float((await self.text(selector)).replace(MINUS, "-").replace(",", ""))

    def _hear(self, kind: str, text: str) -> None:
        finds_nobody = text.startswith("WebSocket connection to") or "ERR_CONNECTION_REFUSED" in text
        is_attempt = finds_nobody and self.may_find_nobody
        if kind in {"error", "warning"} and not is_attempt:
            self.complaints.append(text)


@pytest_asyncio.fixture(loop_scope="module")
async def look(browser: Browser) -> AsyncIterator[Look]:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    await page.route("**/vendor/lightweight-charts.mjs", _checking_library)
    look = Look(page)
    yield look
    await page.close()
    assert look.complaints == []


async def _checking_library(route: Route) -> None:
    path = WEB / "vendor" / "lightweight-charts.development.mjs"
    await route.fulfill(path=path, content_type="text/javascript")


async def test_candles_orders_fills_and_levels_are_drawn(demo: Demo, look: Look) -> None:
    await look.open(demo)
    drawn = await look.inspect()

    prices = {float(order.price) for order in demo.btc.grid.sweep(0, 0)[1].orders}  # type: ignore[attr-defined]
    assert drawn["bars"] == MINUTES + 1
    assert {order["price"] for order in drawn["orders"]} == prices
    assert {order["title"] for order in drawn["orders"]} == {"0.006"}
    assert len(drawn["fills"]) == demo.btc.grid.opened + demo.btc.grid.pairs
    assert {fill["shape"] for fill in drawn["fills"]} == {"arrowUp", "arrowDown"}
    assert drawn["levels"] >= len(prices)
    assert drawn["bands"] == demo.btc.grid.opened - demo.btc.grid.pairs


async def test_the_figures_are_those_of_the_grid_and_add_up(demo: Demo, look: Look) -> None:
    await look.open(demo)

    parts = [await look.figure(f"#{name}") for name in ("grid-profit", "unpaired", "open-fees", "funding")]
    total = await look.figure("#total")

    assert parts[0] == pytest.approx(float(demo.btc.grid.profit), abs=0.01)
    assert total == pytest.approx(sum(parts), abs=0.03)
    assert total == pytest.approx(float(demo.btc.grid.view(demo.btc.price, 0).total_profit), abs=0.01)
    assert await look.text("#position") == f"{demo.btc.grid.position.normalize()} BTC"
    assert re.match(rf"[\d,]+\.\d\d · [+{MINUS}]?[\d.]+ · BTCUSDT", await look.page.title())


async def test_an_order_comes_and_goes_and_leaves_a_fill(demo: Demo, look: Look) -> None:
    await look.open(demo)
    before = await look.inspect()
    price = str(demo.btc.price - 1)

    await say(demo.bus, events.report("hand-made", price=price))
    await look.until(f"__opensqt.inspect().orders.length === {len(before['orders']) + 1}")
    sold = events.trade("hand-made-1", "hand-made", second=demo.btc.grid.start_ns / 1e9 - events.START_S + 60)
    await say(demo.bus, events.report("hand-made", OrderStatus.FILLED, "1", price=price), sold)

    await look.until(f"__opensqt.inspect().orders.length === {len(before['orders'])}")
    await look.until(f"__opensqt.inspect().fills.length === {len(before['fills']) + 1}")


async def test_the_price_moves_the_profit_with_it(demo: Demo, look: Look) -> None:
    await look.open(demo)
    before = await look.figure("#total")
    moved = demo.btc.price + 100

    await say(demo.bus, events.ticker(str(moved)))
    await look.until(f"__opensqt.store.price === {moved}")
    await look.until(f"document.querySelector('#price').textContent === '{moved:,.2f}'")

    assert await look.figure("#total") == pytest.approx(
        before + 100 * float(demo.btc.grid.position), abs=0.02
    )
    await say(demo.bus, events.ticker(str(demo.btc.price)))


async def test_a_symbol_is_chosen_by_click_by_key_and_by_going_back(demo: Demo, look: Look) -> None:
    await look.open(demo)
    await look.page.click("#symbols >> text=ETHUSDT")
    await look.until("__opensqt.store.status?.symbol === 'ETHUSDT' && __opensqt.inspect().bars > 0")
    assert look.page.url.endswith("?symbol=ETHUSDT")
    assert len((await look.inspect())["fills"]) == demo.eth.grid.opened + demo.eth.grid.pairs

    await look.page.keyboard.press("[")
    await look.until("__opensqt.store.status?.symbol === 'BTCUSDT'")
    await look.page.go_back()
    await look.until("__opensqt.store.status?.symbol === 'ETHUSDT'")


async def test_an_unknown_symbol_is_answered_with_links_to_the_known_ones(demo: Demo, look: Look) -> None:
    await look.page.goto(f"{demo.replica.address}/?symbol=NOPEUSDT")
    await look.page.wait_for_selector("#waiting a")

    assert await look.page.locator("#waiting a").all_text_contents() == ["BTCUSDT", "ETHUSDT"]
    await look.page.click("#waiting >> text=ETHUSDT")
    await look.until("window.__opensqt?.store.status?.symbol === 'ETHUSDT'")


async def test_what_is_wrong_stands_above_everything_until_it_is_over(demo: Demo, look: Look) -> None:
    await look.open(demo)
    paused = events.grid(not_quoting=NotQuoting.PAUSED, price=str(demo.btc.price))
    await say(
        demo.bus, paused, events.feed(FeedState.DOWN, "no pong"), events.risk("volume_spike", second=2e8)
    )
    await look.until("document.querySelectorAll('.banner').length === 3")

    banners = await look.page.locator(".banner").all_text_contents()
    assert banners[0] == "The market feed is down: no pong"
    assert "volume spike" in banners[1]
    assert banners[2].startswith("Paused by an operator")
    assert await look.text("#quoting") == "paused"

    await say(
        demo.bus,
        demo.btc.grid.view(demo.btc.price, 1),
        events.feed(FeedState.UP),
        events.risk("volume_spike", active=False, second=2e8 + 1),
    )
    await look.until("document.querySelectorAll('.banner').length === 0")


async def test_the_badge_tells_live_from_stale(demo: Demo, look: Look) -> None:
    await look.open(demo)
    assert await look.page.get_attribute("#badge", "data-state") == "live"
    assert demo.replica.name in await look.text("#badge")

    await look.page.evaluate("() => { __opensqt.store.heardAt -= 60000; }")
    await look.until("document.querySelector('#badge').dataset.state === 'stale'")


async def test_the_page_comes_back_when_the_server_does(demo: Demo, look: Look) -> None:
    look.may_find_nobody = True
    async with AsyncExitStack() as first:
        replica = await first.enter_async_context(serving(demo.bus.url))
        port = int(replica.address.rpartition(":")[2])
        await look.open(Demo(demo.bus, replica, demo.btc, demo.eth))
        await first.aclose()
        await look.until("document.querySelector('#badge').dataset.state === 'lost'")

    async with serving(demo.bus.url, port=port):
        await look.until("document.querySelector('#badge').dataset.state === 'live'")

    assert (await look.inspect())["bars"] == MINUTES + 1


async def test_a_small_screen_has_the_chart_first_and_nothing_beside_it(demo: Demo, look: Look) -> None:
    await look.page.set_viewport_size({"width": 390, "height": 844})
    await look.open(demo)

    tops = [
        await look.page.locator(name).bounding_box() for name in (".chart", ".strip", ".profit", ".orders")
    ]
    ys = [box["y"] for box in tops if box is not None]
    assert ys == sorted(ys)
    assert len(ys) == 4
    assert await look.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


async def test_numbers_are_written_with_sign_and_digits_that_matter(demo: Demo, look: Look) -> None:
    await look.open(demo)

    written = await look.page.evaluate(
        """async () => {
            const { money, fixed, percent, duration } = await import("/static/format.js");
            return [money(12.345), money(-0.00321), money(0), fixed(-0.001, 2), percent(-0.0123), duration(3700)];
        }"""
    )

    assert written == ["+12.35", f"{MINUS}0.0032", "0.00", "0.00", f"{MINUS}1.23{NARROW}%", f"1{NARROW}h"]


async def test_a_candle_between_others_makes_the_chart_anew(demo: Demo, look: Look) -> None:
    await look.open(demo)

    taken = await look.page.evaluate(
        """async () => {
            const { Bars } = await import("/static/bars.js");
            const bars = new Bars();
            const at = (time, close) => ({ time, open: "1", high: "2", low: "1", close, volume: "1" });
            bars.reset([at(60, "1"), at(180, "1")]);
            bars.take();
            bars.put(at(180, "2"));
            const update = bars.take();
            bars.put(at(120, "1.25"));
            const anew = bars.take();
            return [update.isNew, update.bars.length, anew.isNew, anew.bars.map((bar) => bar.time), bars.digits];
        }"""
    )

    assert taken == [False, 1, True, [60, 120, 180], 2]


async def test_the_page_goes_on_after_a_lost_connection_and_shows_nothing_twice(
    demo: Demo, look: Look
) -> None:
    await look.open(demo)
    before = await look.inspect()
    await look.page.evaluate(
        """() => {
            const { socket } = __opensqt, hear = socket._onMessage;
            __opensqt.kinds = [];
            socket._onMessage = (message) => { __opensqt.kinds.push(message.type); hear(message); };
        }"""
    )
    await look.page.evaluate("() => __opensqt.socket._lost(1006, 'cut')")
    second = demo.btc.grid.start_ns / 1e9 - events.START_S + 120
    await say(demo.bus, events.report("gap", price="1"), events.trade("gap-1", "gap", second=second))
    await say(demo.bus, events.report("gap", OrderStatus.FILLED, "1", price="1"))
    await look.until("document.querySelector('#badge').dataset.state === 'live'")
    await look.until("__opensqt.kinds.includes('streams')")

    kinds = await look.page.evaluate("() => __opensqt.kinds")
    after = await look.inspect()
    assert "resumed" in kinds
    assert not {"snapshot", "history"} & set(kinds)
    assert len(after["fills"]) == len(before["fills"]) + 1
    assert len(after["orders"]) == len(before["orders"])


async def test_the_past_is_watched_and_left_again(demo: Demo, look: Look) -> None:
    await look.open(demo)
    before = await look.inspect()
    await look.page.click("#replay-open")
    await look.page.select_option("#replay-speed", "max")
    await look.page.click("#replay-start")
    await look.until("document.querySelector('#replay-play').textContent === 'Again'")
    assert (await look.text("#badge-text")) == "replay · ended"
    shown = await look.inspect()

    await look.page.click("#replay-play")
    await look.until("document.querySelector('#replay-play').textContent === 'Again'")
    await look.page.click("#replay-stop")
    await look.until("document.querySelector('#badge').dataset.state === 'live'")

    assert not await look.page.is_visible("#replay-bar")
    assert (shown["bars"], len(shown["fills"])) == (before["bars"] - 1, len(before["fills"]))
    assert len((await look.inspect())["fills"]) == len(before["fills"])


async def test_a_past_that_is_not_there_is_refused_in_words(demo: Demo, look: Look) -> None:
    await look.open(demo)
    await look.page.click("#replay-open")
    await look.page.fill("#replay-to", "2001-01-01T00:00:00")
    await look.page.fill("#replay-from", "2000-01-01T00:00:00")
    await look.page.click("#replay-start")

    await look.until("document.querySelector('#replay-note').textContent.startsWith('nothing is kept')")
    assert await look.page.get_attribute("#badge", "data-state") == "live"
