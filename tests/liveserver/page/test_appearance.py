"""Figures with units, contrast and width of the page, in Chromium."""

import pytest
from msgspec.structs import replace

from schemas.grid.view import NotQuoting
from tests.liveserver import events
from tests.liveserver.page.browsing import BROWSER_MARKS, MINUS, Demo, OpenPage
from tests.liveserver.watching import publish

pytestmark = BROWSER_MARKS

MIN_CONTRAST = 4.5
LOWEST_CONTRAST = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgb = (color, below) => {
        canvas.fillStyle = `rgb(${below.join(" ")})`;
        canvas.fillRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const background = (element) => {
        if (!element) return [0, 0, 0];
        return rgb(getComputedStyle(element).backgroundColor, background(element.parentElement));
    };
    const luminance = (color) => {
        const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = color.map((value) => linear(value / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
        const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!isText || !element.checkVisibility() || element.closest("#chart, option")) continue;
        const below = background(element);
        const [a, b] = [luminance(rgb(getComputedStyle(element).color, below)), luminance(below)].sort((x, y) => y - x);
        found.push([(a + 0.05) / (b + 0.05), `${element.tagName} ${element.id} ${element.textContent.slice(0, 40)}`]);
    }
    return found.sort((x, y) => x[0] - y[0])[0];
}"""


@pytest.mark.parametrize("stale", ["", "all", "market trading account"])
async def test_text_has_enough_contrast(demo: Demo, view: OpenPage, stale: str) -> None:
    await view.open(demo)
    await publish(demo.bus, events.grid(not_quoting=NotQuoting.STOPPED, price=str(demo.btc.price)))
    await view.until("document.querySelector('#banners').textContent.includes('Stopped')")
    await view.page.click("#replay-open")
    await view.page.click("#commands button:text-is('stop')")

    ratio, text = await view.page.evaluate(
        f"(stale) => {{ document.body.dataset.stale = stale; return ({LOWEST_CONTRAST})(); }}", stale
    )
    assert ratio >= MIN_CONTRAST, text


@pytest.mark.parametrize("width", [360, 390, 860, 1280, 1920])
async def test_page_has_no_horizontal_scroll(demo: Demo, view: OpenPage, width: int) -> None:
    await view.page.set_viewport_size({"width": width, "height": 844})
    await view.open(demo)
    await publish(demo.bus, events.grid(not_quoting=NotQuoting.STOPPED, price=str(demo.btc.price)))
    await view.until("document.querySelector('#banners').textContent.includes('Stopped')")
    await view.page.click("#replay-open")

    assert await view.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


async def test_figures_have_currencies_and_one_price(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    await publish(demo.bus, demo.btc.grid.view(demo.btc.price, 10**18))
    await view.until("document.querySelector('#symbols [aria-current] .gain') !== null")
    tab = await view.page.locator("#symbols [aria-current]").inner_text()
    price, total, title = await view.text("#price"), await view.text("#total"), await view.page.title()

    assert tab.split() == ["BTCUSDT", price, "profit", total, "USDT"]
    assert title == f"{price} · {total} USDT · BTCUSDT"
    assert await view.page.locator("[data-unit=quote]:not(:text-is('USDT'))").count() == 0
    assert await view.page.locator("[data-unit=base]:not(:text-is('BTC'))").count() == 0
    assert (await view.text("#volume")).endswith(" USDT")


async def test_unknown_entry_is_a_dash_and_no_profit(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    known = events.position("0.5")
    await publish(demo.bus, replace(known, entry_price=known.entry_price * 0))
    await view.until("document.querySelector('#position').textContent === '0.5 BTC'")

    assert [await view.text("#entry"), await view.text("#unrealized")] == ["—", "—"]


async def test_reason_names_who_caused_it_and_what_to_do(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    stopped = events.grid(not_quoting=NotQuoting.STOPPED, price=str(demo.btc.price), step=10**6)
    await publish(demo.bus, replace(stopped, opens_halted_by="alice: maintenance"))
    await view.until("document.querySelector('#banners').textContent.includes('alice')")

    banner = await view.text("#banners .banner")
    assert banner.startswith("Stopped: The symbol was stopped")
    assert "alice: maintenance." in banner
    assert f"./opensqt control --bus-url {demo.bus.url} resume" in banner
    assert await view.text("#quoting") == "stopped"


async def test_rounded_summands_add_up_and_zero_has_no_sign(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    shown, zero = await view.page.evaluate(
        """async () => {
            const { shownProfit } = await import("/static/model/profit.js");
            const { quantity } = await import("/static/format.js");
            const grid = { price: "100", position: "1", total_profit: "-1.3049", unpaired_profit: "-1.4051",
                grid_profit: "0.1751", funding: "0", volume: "1", buy_and_hold: "0" };
            const { total, grid: own, unpaired, openFees, funding } = shownProfit(grid, 100);
            return [[total, own, unpaired, openFees, funding], [quantity(-0), quantity("-0.000000001"), quantity(-0.5)]];
        }"""
    )

    assert shown[0] == pytest.approx(sum(shown[1:]), abs=1e-9)
    assert shown == pytest.approx([-1.3, 0.18, -1.41, -0.07, 0], abs=1e-9)
    assert zero == ["0", "0", f"{MINUS}0.5"]
