"""Fixtures of the page's tests: a browser, and a live server with two traded symbols."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from bus import Bus
from tests.liveserver.demo import markets, publish_history
from tests.liveserver.page.browsing import CHROMIUM, MINUTES, Demo, OpenPage, opening
from tests.liveserver.watching import serving


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


@pytest_asyncio.fixture(loop_scope="module")
async def view(browser: Browser) -> AsyncIterator[OpenPage]:
    async with opening(browser) as view:
        yield view
