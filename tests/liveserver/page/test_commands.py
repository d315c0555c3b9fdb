"""Login and operator commands on the page, in Chromium."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest_asyncio
from msgspec.structs import replace
from playwright.async_api import Browser, Page, Route

from bus import Bus, Registry
from liveserver.auth.roles import Role
from liveserver.auth.settings import Access
from liveserver.commands.effects import EFFECTS
from schemas import subjects
from schemas.engine.control import CommandName
from tests import builders
from tests.liveserver import events
from tests.liveserver.auth_fixtures import KEYS, access
from tests.liveserver.page.browsing import BROWSER_MARKS
from tests.liveserver.test_access_socket import engine
from tests.liveserver.watching import publish, serving

pytestmark = BROWSER_MARKS


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def traded_bus(module_bus: Bus) -> Bus:
    """Publish one traded symbol."""
    await publish(
        module_bus,
        events.candle(1),
        events.ticker("100"),
        events.balance(total="98765.43"),
        events.position("7.5"),
        events.grid(position="7.5"),
    )
    await Registry(module_bus, "symbols").create(
        subjects.registry_key(builders.SIM, builders.BTC), events.ticker()
    )
    return module_bus


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    yield page
    await page.close()


async def log_in(page: Page, key: str) -> None:
    await page.fill("#login-token", key)
    await page.click("#login-form button[type=submit]")


async def shows(page: Page, selector: str, text: str) -> None:
    await page.locator(selector).filter(has_text=text).wait_for(timeout=30_000)


async def is_applied(page: Page) -> None:
    text = "Applied: BTC/USDT:USDT on sim.Done."
    await page.wait_for_function(f"() => document.querySelector('#command-answer').textContent === '{text}'")


async def test_login_reports_an_invalid_key_and_then_shows_the_account(traded_bus: Bus, page: Page) -> None:
    async with serving(traded_bus.url, access=access()) as replica:
        await page.goto(replica.address)
        await page.wait_for_selector("#login[open]")
        await log_in(page, "sqt_wrong")
        await shows(page, "#login-message", "Unknown API key.")
        await log_in(page, KEYS[Role.VIEWER])
        await shows(page, "#equity", "98,767.43 USDT")

        await page.wait_for_selector("#login", state="hidden")
        assert await page.locator("#commands button").count() == 0
        assert await page.evaluate("() => document.cookie") == ""
        await page.click("#session-button")
        await page.wait_for_selector("#login[open]")


async def test_a_late_answer_from_before_the_login_is_ignored(traded_bus: Bus, page: Page) -> None:
    async with serving(traded_bus.url, access=access()) as replica:
        fetched, held = asyncio.Event(), asyncio.Event()

        async def hold(route: Route) -> None:
            if route.request.method != "GET":
                await route.continue_()
                return
            answer = await route.fetch()  # of somebody who has not logged in
            fetched.set()
            await held.wait()
            await route.fulfill(response=answer)

        await page.goto(replica.address)
        await page.wait_for_selector("#login[open]")
        await page.route("**/api/session", hold)
        await page.evaluate("() => { void __opensqt.session.refresh(); }")
        await fetched.wait()
        await log_in(page, KEYS[Role.OPERATOR])
        await page.wait_for_selector("#commands button:text-is('pause')")
        async with page.expect_response("**/api/session"):
            held.set()
        await page.wait_for_timeout(200)
        assert await page.is_visible("#commands button:text-is('pause')")


async def test_operator_confirms_a_command_and_sees_the_answer(traded_bus: Bus, page: Page) -> None:
    async with serving(traded_bus.url, access=access()) as replica, engine(traded_bus) as commands:
        await page.goto(replica.address)
        await page.wait_for_selector("#login[open]")
        await log_in(page, KEYS[Role.OPERATOR])
        await shows(page, "#market", "BTC/USDT:USDT")
        await page.click("#commands button:text-is('pause')")
        assert await page.text_content("#command-effect") == EFFECTS[CommandName.PAUSE]
        await page.fill("#command-reason", "lunch")
        await page.click("#command-go")
        await is_applied(page)

    assert [(each.name, each.operator, each.reason) for each in commands] == [
        ("pause", "operator-ann", "lunch")
    ]


async def test_position_at_the_venue_is_accepted_with_a_reason(traded_bus: Bus, page: Page) -> None:
    async with serving(traded_bus.url, access=Access()) as replica, engine(traded_bus) as commands:
        await page.goto(replica.address)
        await shows(page, "#market", "BTC/USDT:USDT")
        await page.click("#commands button:text-is('pause')")
        assert not await page.is_visible("#command-accept")
        await page.click("#command-cancel")
        await page.click("#commands button:text-is('reconcile')")
        await page.fill("#command-accept", "-0.5")
        await page.click("#command-go")  # the form is invalid without a reason
        await page.fill("#command-reason", "sold by hand")
        await page.click("#command-go")
        await is_applied(page)

    assert [(each.name, str(each.accept), each.reason) for each in commands] == [
        ("reconcile", "-0.5", "sold by hand")
    ]


async def test_position_that_differs_is_shown_until_a_correction_is_booked(
    traded_bus: Bus, page: Page
) -> None:
    grid = events.grid(position="7.5", step=10)
    differs = replace(grid, venue_position=Decimal(7), foreign_position=Decimal(2))
    async with serving(traded_bus.url, access=Access()) as replica:
        await page.goto(replica.address)
        await publish(traded_bus, differs)
        await shows(page, "#position-books", "the books hold 7.5")
        banner = "The venue has a position of 7, the books hold 7.5 and 2 that is not the grid's"
        await shows(page, "#banners", banner)

        await publish(traded_bus, events.corrected("-0.5", second=60), replace(grid, step=11))
        await page.wait_for_function("() => document.querySelector('#position-books').textContent === ''")
        await shows(page, "#fills", "corrected")
        await shows(page, "#notices", "trade liquidation · by ann · “liquidated”")


async def test_public_page_requires_no_login_and_shows_no_amounts(traded_bus: Bus, page: Page) -> None:
    async with serving(traded_bus.url, access=access(public=True)) as replica:
        await page.goto(replica.address)
        await shows(page, "#position", "long")

        assert not await page.is_visible("#login")
        assert await page.text_content("#free") == "not public"
        assert "98,76" not in (await page.text_content("body") or "")


async def test_page_without_authentication_has_commands_and_no_login(traded_bus: Bus, page: Page) -> None:
    async with serving(traded_bus.url, access=Access()) as replica:
        await page.goto(replica.address)
        await shows(page, "#equity", "98,767.43 USDT")

        assert not await page.is_visible("#session-button")
        assert "pause" in await page.locator("#commands button").all_text_contents()
