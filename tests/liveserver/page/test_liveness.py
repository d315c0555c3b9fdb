"""What the page shows, in Chromium, while the server, a part or the market is silent."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest_asyncio
from msgspec.structs import replace
from playwright.async_api import WebSocketRoute

from bus import Bus, Heartbeats, Registry
from bus.symbols import deregister
from schemas import subjects
from schemas.engine.journal import SymbolEntry
from schemas.units import Symbol
from schemas.venue.market import ClockRead, Recording
from tests import builders
from tests.liveserver import events
from tests.liveserver.page.browsing import BROWSER_MARKS, CONNECTED, Demo, OpenPage
from tests.liveserver.watching import publish

pytestmark = BROWSER_MARKS

SIM, BTC, ETH = builders.SIM, builders.BTC, Symbol("ETH/USDT:USDT")
KINDS = ("engine", "gateway", "market", "account")


@asynccontextmanager
async def heartbeats(bus: Bus, kind: str) -> AsyncIterator[None]:
    sending = asyncio.create_task(Heartbeats(bus, kind, f"{kind}-sim", venues=(SIM,)).run())
    yield
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def entries(demo: Demo) -> list[SymbolEntry]:
    """Register both symbols of the demo as traded."""
    found = [builders.ENTRY, replace(builders.ENTRY, symbol=ETH)]
    for entry in found:
        await Registry(demo.bus, "symbols").create(subjects.registry_key(SIM, entry.symbol), entry)
    return found


async def test_silent_server_is_noticed_by_the_page_itself(demo: Demo, view: OpenPage) -> None:
    view.may_be_offline = True
    is_silent = asyncio.Event()

    def route(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: None if is_silent.is_set() else socket.send(message))

    await view.page.route_web_socket("**/ws*", route)
    await view.open(demo)
    await view.page.click("#commands button:text-is('stop')")
    is_silent.set()
    noticed = await view.page.wait_for_function(
        "() => document.body.dataset.stale === 'all' && Date.now() - __opensqt.socket.state.lastMessageAt"
    )

    assert 3000 <= await noticed.json_value() <= 5500
    assert (await view.text("#banners")).startswith("Not live since ")
    assert await view.text("#quoting") == "unknown"
    assert await view.page.is_disabled("#command-go")
    assert await view.page.locator("#commands button:enabled").count() == 0
    await view.until("document.querySelector('#badge').dataset.state === 'reconnecting'")
    is_silent.clear()
    await view.until(CONNECTED)
    assert await view.text("#banners") == ""
    assert await view.page.is_enabled("#command-go")


async def test_page_that_could_not_read_does_not_blame_the_server(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    silence = await view.page.evaluate(
        """async () => {
            const { SilenceWatch } = await import("/static/model/liveness.js");
            const watch = new SilenceWatch();
            const found = [];
            const tick = (now) => { watch.tick(now); found.push(watch.silentFor(now)); };
            watch.tick(0);
            watch.heard(0);
            for (const now of [500, 1000, 3600000, 3600500, 7200000]) tick(now);
            return found;
        }"""
    )

    # After an hour asleep the server has time to be heard again; after a second hour it is silent.
    assert silence == [500, 1000, 0, 500, 3600000]


async def test_lost_connection_is_reconnecting_then_disconnected(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    states = await view.page.evaluate(
        """async () => {
            const { livenessOf } = await import("/static/model/liveness.js");
            const lost = { ...__opensqt.socket.state, attempts: 3, lastMessageAt: 1000 };
            const at = ([phase, now]) => livenessOf(__opensqt.store, { ...lost, phase, silentMs: now - 1000 }, now);
            const early = [["lost", 1500], ["lost", 5000], ["connecting", 9000], ["lost", 15000]];
            const found = [...early, ["connecting", 17000], ["lost", 90000]].map(at);
            return found.map(({ state, problem, lock }) => [state, problem !== "", lock !== ""]);
        }"""
    )

    reconnecting, disconnected = ["reconnecting", True, True], ["disconnected", True, True]
    assert states == [["reconnecting", False, True], *[reconnecting] * 3, *[disconnected] * 2]


async def test_old_price_is_marked_and_dimmed(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    ticker = events.ticker(str(demo.btc.price))
    await publish(demo.bus, replace(ticker, received_time=time.time_ns() - 90 * 10**9))
    await view.until("document.querySelector('#badge').dataset.state === 'stale'")

    assert (await view.text("#badge-text")).startswith("price 1")
    assert await view.page.evaluate("() => document.body.dataset.stale") == "market"
    await publish(demo.bus, replace(ticker, received_time=time.time_ns()))
    await view.until("document.querySelector('#badge').dataset.state === 'live'")


async def test_recording_is_named_with_its_date_and_speed(demo: Demo, view: OpenPage) -> None:
    await view.open(demo)
    clock = ClockRead(venue=SIM, time=events.ticker().time, received_time=time.time_ns())
    recorded = replace(clock, recording=Recording(name="btc-2022.csv", speed=600.0))
    await demo.bus.store(subjects.clock(SIM), recorded)
    await publish(demo.bus, replace(events.ticker(str(demo.btc.price)), received_time=time.time_ns()))
    await view.until("document.querySelector('#badge').dataset.state === 'recording'")

    assert (
        await view.text("#badge-text")
        == f"recording btc-2022.csv, {events_date()}, 600\N{MULTIPLICATION SIGN}"
    )
    await demo.bus.store(subjects.clock(SIM), clock)
    await view.until("!document.querySelector('#badge-text').textContent.startsWith('recording')")


def events_date() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(events.ticker().time / 10**9))


async def test_silent_gateway_is_named_with_a_command_to_paste(
    demo: Demo, entries: list[SymbolEntry], view: OpenPage
) -> None:
    await view.open(demo)
    async with (
        heartbeats(demo.bus, "engine"),
        heartbeats(demo.bus, "market"),
        heartbeats(demo.bus, "account"),
    ):
        async with heartbeats(demo.bus, "gateway"):
            await view.until("__opensqt.store.server.parts.filter((part) => part.state === 'ok').length >= 4")
        await view.until("__opensqt.store.status.blocked === 'gateway_silent'")
        await view.until("document.querySelector('#quoting').textContent === 'gateway silent'")
        banner = await view.text("#banners .banner")
        commands = await view.page.locator("#banners code").all_text_contents()
        stale = await view.page.evaluate("() => document.body.dataset.stale")
        async with heartbeats(demo.bus, "gateway"):
            await view.until("document.querySelector('#quoting').textContent === 'yes'")

    assert banner.startswith("Gateway silent: The gateway gateway-sim has sent no heartbeat since")
    assert commands[-1].startswith("./opensqt gateway --bus-url nats://")
    assert "trading" in stale
    assert await view.page.is_enabled("#commands button")


async def test_removed_symbol_is_left_with_a_message(
    demo: Demo, entries: list[SymbolEntry], view: OpenPage
) -> None:
    await view.open(demo, "?symbol=ETHUSDT")
    await deregister(demo.bus, entries[1])
    await view.until("__opensqt.store.status?.symbol === 'BTCUSDT'")

    await view.until(
        "document.querySelector('#banners').textContent.includes('ETH/USDT:USDT on sim was removed')"
    )
    assert await view.page.locator("#symbols .symbol").count() == 1
