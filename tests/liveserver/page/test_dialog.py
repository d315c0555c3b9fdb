"""The command dialog in Chromium: which market it acts on, when it can be used, and what it answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Route

from bus import Bus, Received, Registry
from bus.client.message import Message
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandOutcome, CommandResult
from schemas.units import Symbol
from tests import builders
from tests.liveserver import events
from tests.liveserver.page.browsing import BROWSER_MARKS, Demo, OpenPage

pytestmark = BROWSER_MARKS

BTC, ETH, SIM = builders.BTC, Symbol("ETH/USDT:USDT"), builders.SIM


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def traded(demo: Demo) -> Demo:
    """Register both symbols of the demo as traded."""
    for symbol in (BTC, ETH):
        await Registry(demo.bus, "symbols").create(subjects.registry_key(SIM, symbol), events.ticker())
    return demo


@asynccontextmanager
async def commands_to(bus: Bus, symbol: Symbol = BTC) -> AsyncIterator[asyncio.Queue[Command]]:
    """Yield the commands to a symbol."""
    given: asyncio.Queue[Command] = asyncio.Queue()

    def handle(message: Message | Received) -> None:
        given.put_nowait(decode_as(message.data, Command))

    unsubscribe = [await bus.subscribe(subject, handle) for subject in subjects.commands(SIM, symbol)]
    yield given
    for each in unsubscribe:
        await each()


async def answer(
    bus: Bus, command: Command, outcome: CommandOutcome, detail: str = "", *, canceled: int = 0, out: int = 0
) -> None:
    """Publish a result of a command, as an engine does."""
    result = CommandResult(
        venue=command.venue,
        symbol=command.symbol,
        command_id=command.command_id,
        name=command.name,
        outcome=outcome,
        detail=detail,
        operator=command.operator,
        reason=command.reason,
        step=7,
        time=command.time,
        orders_canceled=canceled,
        orders_out=out,
    )
    await bus.store(subjects.command_result(command.venue, command.symbol), result)


async def ask(view: OpenPage, command: str, reason: str = "lunch") -> None:
    await view.page.click(f"#commands button:text-is('{command}')")
    await view.page.keyboard.type(reason)


async def test_command_goes_to_the_market_in_the_title_whatever_is_typed(
    traded: Demo, view: OpenPage
) -> None:
    await view.open(traded)
    async with commands_to(traded.bus) as commands:
        await ask(view, "stop", "end] [f m")
        assert await view.text("#command-title") == "stop BTC/USDT:USDT on sim?"
        assert await view.page.evaluate("() => __opensqt.store.status.symbol") == "BTCUSDT"
        await view.page.keyboard.press("Enter")
        given = await asyncio.wait_for(commands.get(), 30)
        await answer(traded.bus, given, CommandOutcome.APPLIED)
        await view.until("document.querySelector('#command-answer').dataset.level === 'good'")

    assert (given.symbol, given.reason) == (BTC, "end] [f m")
    assert (await view.text("#command-answer")).startswith("Applied: BTC/USDT:USDT on sim.")


async def test_going_back_closes_a_question_about_the_other_market(traded: Demo, view: OpenPage) -> None:
    await view.open(traded)
    await view.page.click("#symbols >> text=ETHUSDT")
    await view.until("__opensqt.store.status?.symbol === 'ETHUSDT'")
    await view.until("!document.querySelector('#commands button').disabled")
    await ask(view, "pause")
    assert await view.text("#command-title") == "pause ETH/USDT:USDT on sim?"
    await view.page.go_back()
    await view.until("__opensqt.store.status?.symbol === 'BTCUSDT'")

    assert not await view.page.is_visible("#command")


async def test_commands_are_out_of_reach_in_a_replay(traded: Demo, view: OpenPage) -> None:
    await view.open(traded)
    await view.page.click("#replay-open")
    await view.page.select_option("#replay-speed", "max")
    await view.page.click("#replay-start")
    await view.until("[...document.querySelectorAll('#commands button')].every((button) => button.disabled)")

    title = await view.page.get_attribute("#commands button", "title") or ""
    assert title.startswith("A replay of the past is shown")
    assert (await view.text("#replay-banner")).startswith("Replay: you are looking at 20")
    await view.page.click("#replay-stop")
    await view.until("[...document.querySelectorAll('#commands button')].every((button) => !button.disabled)")


async def test_remedies_of_the_past_are_not_offered_in_a_replay(traded: Demo, view: OpenPage) -> None:
    await view.open(traded)
    banner, replayed = await view.page.evaluate(
        """async () => {
            const { renderBanners } = await import("/static/panels/banners.js");
            const paused = { not_quoting: "paused", not_quoting_text: "Paused.", not_quoting_remedy: "Resume." };
            const grid = { ...__opensqt.store.grid, ...paused };
            return [false, true].map((isReplaying) => {
                const store = { ...__opensqt.store, wrongParts: [], reasons: new Map(), grid, isReplaying };
                renderBanners(store, new Set(["grid"]), { problem: "" }, "");
                return document.querySelector("#banners").textContent;
            });
        }"""
    )
    assert (banner, replayed) == ("Paused: Paused. Resume.", "Paused: Paused.")


async def test_progress_is_shown_until_the_command_is_applied(traded: Demo, view: OpenPage) -> None:
    await view.open(traded)
    async with commands_to(traded.bus) as commands:
        await ask(view, "stop")
        await view.page.keyboard.press("Enter")
        given = await asyncio.wait_for(commands.get(), 30)
        await answer(traded.bus, given, CommandOutcome.ACCEPTED, canceled=3, out=9)
        await view.until(
            "document.querySelector('#command-answer').textContent.includes('3 orders canceled, 9 still out.')"
        )
        assert await view.page.get_attribute("#command-answer", "data-level") == "progress"
        await answer(traded.bus, given, CommandOutcome.APPLIED, canceled=12)
        await view.until("document.querySelector('#command-answer').dataset.level === 'good'")
        await view.page.keyboard.press("Enter")

    assert "12 orders canceled, none is still out." in await view.text("#command-answer")
    assert not await view.page.is_visible("#command")


@pytest.mark.parametrize(
    ("outcome", "level"), [(CommandOutcome.INCOMPLETE, "warn"), (CommandOutcome.REFUSED, "wrong")]
)
async def test_other_outcomes_stay_until_they_are_closed(
    traded: Demo, view: OpenPage, outcome: CommandOutcome, level: str
) -> None:
    await view.open(traded)
    async with commands_to(traded.bus) as commands:
        await ask(view, "flatten")
        await view.page.keyboard.press("Enter")
        given = await asyncio.wait_for(commands.get(), 30)
        await answer(traded.bus, given, outcome, "2 orders are left", canceled=10, out=2)
        await view.until(f"document.querySelector('#command-answer').dataset.level === '{level}'")

    assert (await view.text("#command-answer")).endswith("2 still out.2 orders are left.")
    assert await view.page.is_visible("#command")
    await view.page.keyboard.press("Escape")
    assert not await view.page.is_visible("#command")


async def test_a_server_that_hangs_after_a_command_is_said(traded: Demo, view: OpenPage) -> None:
    await view.open(traded)
    await ask(view, "stop")
    async with commands_to(traded.bus) as commands:
        reached = asyncio.Event()
        continued = asyncio.Event()

        async def hang(route: Route) -> None:
            reached.set()
            await continued.wait()
            await route.continue_()

        await view.page.route("**/api/control", hang)
        await view.page.keyboard.press("Enter")
        await asyncio.wait_for(reached.wait(), 30)
        await view.until("document.querySelector('#command-answer').dataset.level === 'warn'")
        assert "No answer from the server yet" in await view.text("#command-answer")
        continued.set()
        await answer(traded.bus, await asyncio.wait_for(commands.get(), 30), CommandOutcome.APPLIED)
        await view.until("document.querySelector('#command-answer').dataset.level === 'good'")


async def test_focus_stays_in_the_dialog_and_returns_to_its_button(traded: Demo, view: OpenPage) -> None:
    await view.open(traded)
    await ask(view, "reset")
    focused = []
    for _ in range(4):
        focused.append(await view.page.evaluate("() => document.activeElement.id"))
        await view.page.keyboard.press("Tab")
    await view.page.keyboard.press("Escape")

    assert focused == ["command-reason", "command-cancel", "command-go", "command-reason"]
    assert await view.page.evaluate("() => document.activeElement.dataset.command") == "reset"
