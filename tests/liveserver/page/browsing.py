"""Helpers to open the page in Chromium.

The development build of the chart library is used, because it validates its input.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route

from bus import Bus
from liveserver.http.assets import WEB
from liveserver.hub.replica import Replica
from tests.liveserver.demo import DemoMarket

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MINUTES = 50
CONNECTED = (
    "['live', 'stale'].includes(document.querySelector('#badge').dataset.state)"
    " && document.body.dataset.stale !== 'all'"
)
"""The page shows live data. The demo's price stands still, so that it is marked as old after a while."""
MINUS, NARROW = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"

BROWSER_MARKS = [
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
        await self.page.wait_for_function(f"() => {condition}", timeout=30_000)

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


@asynccontextmanager
async def opening(browser: Browser, **options: Any) -> AsyncIterator[OpenPage]:
    """Open an empty page, and check its console at the end."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800}, **options)
    await page.route("**/vendor/lightweight-charts.mjs", _development_library)
    view = OpenPage(page)
    yield view
    await page.close()
    assert view.console_errors == []


async def _development_library(route: Route) -> None:
    path = WEB / "vendor" / "lightweight-charts.development.mjs"
    await route.fulfill(path=path, content_type="text/javascript")
