"""Fills that are seen and heard, in Chromium."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, CDPSession

from schemas.units import Side, Symbol
from schemas.venue.orders import Trade
from tests import builders
from tests.liveserver import events
from tests.liveserver.page.browsing import BROWSER_MARKS, Demo, OpenPage
from tests.liveserver.watching import publish

pytestmark = BROWSER_MARKS

ETH = Symbol("ETH/USDT:USDT")
PAGES = 10
MAX_HEAP_MB = 60
MAX_TASK_S = 15
"""Time on the main thread of a page, from opening it to the end of the burst."""


def new_trade(demo: Demo, name: str, side: Side = Side.BUY, symbol: Symbol = builders.BTC) -> Trade:
    second = demo.btc.grid.start_ns / 1e9 - events.START_S + 3000
    return replace(events.trade(name, name, second=second, symbol=symbol), side=side)


async def mark_animated(view: OpenPage) -> None:
    """Give elements that are animated from now on `data-flashed`, because highlights are short."""
    await view.page.evaluate(
        """() => {
            const animate = Element.prototype.animate;
            Element.prototype.animate = function (...args) {
                this.dataset.flashed = "yes";
                return animate.apply(this, args);
            };
        }"""
    )


async def test_fill_is_highlighted_and_heard_and_history_is_not(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    await view.page.click("#fills-title")  # a gesture, so that the browser allows sound
    await view.until("document.querySelector('#sound').dataset.state === 'on'")
    quiet = await view.page.evaluate("() => [__opensqt.sound.played.length, __opensqt.inspect().flashes]")
    await mark_animated(view)
    await publish(demo.bus, new_trade(demo, "seen", Side.SELL))
    await view.page.wait_for_selector("#fills tr[data-key=seen][data-flashed=yes]")

    assert quiet == [0, 0]
    assert await view.page.locator("#fills tr[data-flashed]").count() == 1
    assert await view.page.evaluate("() => __opensqt.sound.played") == ["sell"]
    await view.until("__opensqt.inspect().flashes === 0")


async def test_fill_of_another_symbol_highlights_its_tab(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    await view.until("__opensqt.store.symbols.length === 2")
    await mark_animated(view)
    await publish(demo.bus, new_trade(demo, "elsewhere", symbol=ETH))

    await view.page.wait_for_selector("#symbols [data-value=ETHUSDT][data-flashed=yes]")
    assert await view.page.locator("#symbols [data-value=BTCUSDT][data-flashed=yes]").count() == 0


async def test_burst_of_fills_is_one_tone(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    await view.page.click("#fills-title")
    await view.until("document.querySelector('#sound').dataset.state === 'on'")
    before = len((await view.inspect())["fills"])
    await publish(demo.bus, *(new_trade(demo, f"burst-{number}") for number in range(20)))
    await view.until(f"__opensqt.inspect().fills.length === {before + 20}")

    assert 1 <= len(await view.page.evaluate("() => __opensqt.sound.played")) <= 3


async def test_tones_of_buy_and_sell_differ_and_follow_the_volume(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    peaks, crossings = await view.page.evaluate(
        """async () => {
            const { scheduleTone } = await import("/static/panels/sound.js");
            const render = async (side, volume) => {
                const context = new OfflineAudioContext(1, 22050, 44100);
                scheduleTone(context, side, volume);
                return (await context.startRendering()).getChannelData(0);
            };
            const [buy, sell, quiet] = [await render("buy", 1), await render("sell", 1), await render("buy", 0.1)];
            const crossings = (wave) => wave.reduce((sum, value, i) => sum + (i > 0 && value > 0 && wave[i - 1] <= 0), 0);
            return [[Math.max(...buy), Math.max(...quiet)], [crossings(buy), crossings(sell)]];
        }"""
    )

    assert peaks[0] > 0.3
    assert 0.01 < peaks[1] < 0.06
    assert crossings[0] > 1.2 * crossings[1] > 100


async def test_sound_waits_for_a_click_and_its_settings_are_remembered(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    assert await view.text("#sound") == "Sound: click to allow"
    await view.page.click("#sound")
    await view.until("document.querySelector('#sound').dataset.state === 'on'")
    await view.page.fill("#sound-volume", "0.7")
    await view.page.keyboard.press("Escape")
    await view.page.click("#sound")
    assert await view.text("#sound") == "Sound off"

    await view.open(demo)
    assert await view.text("#sound") == "Sound off"
    assert await view.page.input_value("#sound-volume") == "0.7"


@pytest.mark.timeout(300)
async def test_ten_pages_receive_the_same_fills_with_one_tone(demo: Demo, browser: Browser) -> None:
    context = await browser.new_context()
    views = [OpenPage(await context.new_page()) for _ in range(PAGES)]
    for view in views:
        await view.open(demo)
        await view.page.click("#fills-title")
        await view.until("document.querySelector('#sound').dataset.state === 'on'")
    await publish(demo.bus, *(new_trade(demo, f"ten-{number}") for number in range(20)))
    ids = [f"ten-{number}" for number in range(20)]
    shown = "(ids) => ids.every((id) => __opensqt.store.trades.some((trade) => trade.trade_id === id))"
    # Nine of the ten tabs are hidden and draw no frames, so that the condition is polled.
    await asyncio.gather(*(view.page.wait_for_function(shown, arg=ids, polling=200) for view in views))
    used = [await metrics(await context.new_cdp_session(view.page)) for view in views]
    tones = [len(await view.page.evaluate("() => __opensqt.sound.played")) for view in views]
    await context.close()

    assert 1 <= sum(tones) <= PAGES // 2
    assert max(each["JSHeapUsedSize"] / 1e6 for each in used) < MAX_HEAP_MB
    assert max(each["TaskDuration"] for each in used) < MAX_TASK_S


async def metrics(session: CDPSession) -> dict[str, Any]:
    await session.send("Performance.enable")
    found = await session.send("Performance.getMetrics")
    return {each["name"]: each["value"] for each in found["metrics"]}
