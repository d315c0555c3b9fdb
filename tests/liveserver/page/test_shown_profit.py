"""The page values a grid at any price by the rule of the server, so that its amounts add up as written."""

import json
import shutil
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import Page, Route, async_playwright

from liveserver.http.assets import WEB
from liveserver.protocol.server_messages import Message, MessageType, encode_message
from liveserver.view import rendering
from liveserver.view.rendering import MarketLabel
from schemas.grid.profit import profit_parts, rounded
from schemas.grid.view import GridView
from tests.liveserver import events

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SITE = "http://page.test"
LABEL = MarketLabel("BTCUSDT", "sim", "BTC/USDT:USDT")
NAMES = ("total", "grid", "unpaired", "openFees", "funding")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
    ),
]


def grids(count: int = 200) -> list[GridView]:
    random, found = Random(7), []
    for _ in range(count):
        scale = 10.0 ** random.randint(-3, 4)
        profit, fees, unpaired, funding = (
            Decimal(str(round(random.uniform(-scale, scale), 7))) for _ in range(4)
        )
        total = profit + fees + unpaired + funding
        found.append(
            replace(
                events.grid(position=f"{random.uniform(-0.1, 0.1):.5f}"),
                grid_profit=profit,
                unpaired_profit=unpaired,
                funding=funding,
                total_profit=total,
            )
        )
    return found


async def serve_file(route: Route) -> None:
    path = WEB / route.request.url.removeprefix(f"{SITE}/")
    body = path.read_text(encoding="utf-8") if path.is_file() else "<!doctype html>"
    kind = "text/javascript" if path.suffix == ".js" else "text/html"
    await route.fulfill(body=body, content_type=kind)


async def shown_by_the_page(page: Page, views: list[GridView], price: str) -> list[dict[str, Any]]:
    messages = [Message(MessageType.GRID_STATE, rendering.grid(LABEL, view)) for view in views]
    given = [json.loads(encode_message(message))["data"] for message in messages]
    script = """async ([grids, price]) => {
      const { shownProfit } = await import("/model/profit.js");
      return grids.map((grid) => shownProfit(grid, price));
    }"""
    shown: list[dict[str, Any]] = await page.evaluate(script, [given, float(price)])
    return shown


@pytest.mark.parametrize("price", ["100", "101.37"])
async def test_page_shows_the_amounts_of_the_server_at_any_price(price: str) -> None:
    views = grids()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.route(f"{SITE}/**", serve_file)
        await page.goto(f"{SITE}/index")
        shown = await shown_by_the_page(page, views, price)
        await browser.close()

    for view, figures in zip(views, shown, strict=True):
        parts = rounded(profit_parts(view, Decimal(price)), figures["digits"])
        expected = (parts.total, parts.grid_profit, parts.unpaired, parts.open_fees, parts.funding)
        written = [Decimal(f"{figures[name]:.{figures['digits']}f}") for name in NAMES]
        assert written == list(expected)
        assert written[0] == sum(written[1:])
