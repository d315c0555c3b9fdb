"""The page rounds profit by the same rule as the server."""

import shutil
from decimal import Decimal
from random import Random

import pytest
from playwright.async_api import async_playwright

from liveserver.http.assets import WEB
from schemas.grid.profit import ProfitParts, rounded, shown_digits

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
    ),
]


def examples(count: int = 300) -> list[ProfitParts]:
    random, found = Random(7), []
    for _ in range(count):
        scale = 10.0 ** random.randint(-4, 5)
        amounts = [Decimal(str(round(random.uniform(-scale, scale), 7))) for _ in range(4)]
        names = ("grid_profit", "unpaired", "open_fees", "funding")
        found.append(ProfitParts(total=sum(amounts, Decimal(0)), **dict(zip(names, amounts, strict=True))))
    return found


async def test_page_shows_the_amounts_that_the_server_shows() -> None:
    rule = (
        (WEB / "model" / "shown_profit.js").read_text(encoding="utf-8").replace("export function", "function")
    )
    given = [
        {
            "total": float(each.total),
            "grid": float(each.grid_profit),
            "unpaired": float(each.unpaired),
            "openFees": float(each.open_fees),
            "funding": float(each.funding),
        }
        for each in examples()
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        shown = await page.evaluate(f"(given) => {{ {rule}; return given.map(shownProfit); }}", given)
        await browser.close()

    names = ("total", "grid", "unpaired", "openFees", "funding")
    texts = [[f"{each[name]:.{each['digits']}f}" for name in names] for each in shown]
    assert texts == [text_of(each) for each in examples()]


def text_of(parts: ProfitParts) -> list[str]:
    shown, digits = rounded(parts), shown_digits(parts)
    amounts = (shown.total, shown.grid_profit, shown.unpaired, shown.open_fees, shown.funding)
    return [f"{amount:.{digits}f}" for amount in amounts]
