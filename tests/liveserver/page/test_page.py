"""The page in Chromium, with a real live server and bus: market, orders, fills, figures, replay."""

import re
from contextlib import AsyncExitStack

import pytest
from msgspec.structs import replace

from schemas.grid.view import NotQuoting
from schemas.reasons.table import explain
from schemas.venue.market import FeedState
from schemas.venue.orders import OrderStatus
from tests.liveserver import events
from tests.liveserver.page.browsing import BROWSER_MARKS, CONNECTED, MINUS, MINUTES, NARROW, Demo, OpenPage
from tests.liveserver.watching import publish, serving

pytestmark = BROWSER_MARKS


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
    assert total == pytest.approx(sum(parts), abs=1e-9)
    assert total == pytest.approx(float(demo.btc.grid.view(demo.btc.price, 0).total_profit), abs=0.01)
    assert await view.text("#position") == f"{demo.btc.grid.position.normalize()} BTC"
    assert re.match(rf"[\d,]+\.\d\d · [+{MINUS}]?[\d.]+ USDT · BTCUSDT", await view.page.title())


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
    await view.until("document.querySelectorAll('#banners .banner').length === 3")

    banners = await view.page.locator("#banners .banner").all_text_contents()
    assert banners[0] == "The market feed is down: no pong."
    assert "volume spike" in banners[1]
    assert banners[2].startswith(f"Paused: {explain(NotQuoting.PAUSED)[0]}")
    assert await view.text("#quoting") == "paused"
    assert await view.text("#quoting-note") == explain(NotQuoting.PAUSED)[0]

    await publish(
        demo.bus,
        demo.btc.grid.view(demo.btc.price, 1),
        events.feed(FeedState.UP),
        events.risk("volume_spike", active=False, second=2e8 + 1),
    )
    await view.until("document.querySelectorAll('#banners .banner').length === 0")


async def test_fills_say_since_when_none_is_missing(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    grid = demo.btc.grid.view(demo.btc.price, 1)
    await publish(demo.bus, replace(grid, ledger_from=1_700_000_000_000_000_000))
    note = "document.querySelector('#fills-count').textContent"
    await view.until(f"{note}.endsWith('complete since 2023-11-14 22:13 UTC')")


async def test_page_reconnects_when_the_server_is_back(demo: Demo, view: OpenPage) -> None:
    view.may_be_offline = True
    async with AsyncExitStack() as first:
        replica = await first.enter_async_context(serving(demo.bus.url))
        port = int(replica.address.rpartition(":")[2])
        await view.open(Demo(demo.bus, replica, demo.btc, demo.eth))
        await first.aclose()
        await view.until("document.querySelector('#badge').dataset.state === 'reconnecting'")

    async with serving(demo.bus.url, port=port):
        await view.until(CONNECTED)

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
    await view.until(CONNECTED)
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
    await view.until(CONNECTED)

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
    assert await view.page.evaluate(f"() => {CONNECTED}")
