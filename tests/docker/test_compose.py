"""The stack of compose.yaml: it trades, its page works, viewers outlive their live server, and it stops cleanly."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import async_playwright

from bus import Bus, connect, read_context
from lab.chaos.viewer_clients import ViewerPool
from lab.chaos.viewers import StoredEvents, stored_events, violations
from tests.docker.engine import Compose, docker
from tests.liveserver.page.browsing import CHROMIUM

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

VIEWERS = 50
CATCH_UP_S = 60
OPEN_ORDERS = """
import json, urllib.request
with urllib.request.urlopen("http://127.0.0.1:8080/admin/books") as answer:
    print(sum(each["status"] in ("new", "partially_filled") for each in json.load(answer)["orders"]))
"""
PARTS = ("engine", "gateway", "market", "account", "venue", "bus")


def test_all_containers_are_healthy_and_published_on_loopback_alone(stack: Compose) -> None:
    lines = stack.run("ps", "--format", "json").splitlines()
    containers = [json.loads(line) for line in lines]
    assert {each["Health"] for each in containers} == {"healthy"}
    published = [port for each in containers for port in each["Publishers"] or () if port["PublishedPort"]]
    assert {port["URL"] for port in published} == {"127.0.0.1"}


def test_commands_run_as_the_operator(stack: Compose) -> None:
    status = stack.run("run", "--rm", "opensqt", "status")
    assert all(part in status for part in ("engine", "gateway", "liveserver", "market", "account"))
    answer = stack.run("run", "--rm", "opensqt", "control", "pause", "sim", "SOL/USDT", "--reason", "test")
    assert "applied" in answer
    stack.run("run", "--rm", "opensqt", "control", "resume", "sim", "SOL/USDT", "--reason", "test")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
async def test_the_page_shows_orders(stack: Compose) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"http://127.0.0.1:{stack.http_port}/")
        await page.wait_for_function(
            "() => document.querySelector('#badge').dataset.state === 'live'", timeout=60_000
        )
        await page.wait_for_function("() => __opensqt.inspect().orders.length > 0", timeout=60_000)
        await browser.close()
    assert errors == []


async def test_viewers_of_a_killed_live_server_resume_and_lose_nothing(
    stack: Compose, tmp_path: Path
) -> None:
    await asyncio.to_thread(stack.run, "up", "--detach", "--wait", "--no-recreate", "--scale", "liveserver=3")
    pool = ViewerPool([f"127.0.0.1:{stack.http_port}"], seed=1)
    viewers = [pool.add_viewer([]) for _ in range(VIEWERS)]
    async with operator(stack, tmp_path) as bus, running(pool):
        await pool.wait_snapshots()
        await asyncio.to_thread(docker, "kill", stack.containers("liveserver")[0])
        async with asyncio.timeout(CATCH_UP_S):
            while not pool.resumed:  # noqa: ASYNC110 - of the pool's viewers, some reconnect
                await asyncio.sleep(0.1)
        expected = await expected_events(bus)
        async with asyncio.timeout(CATCH_UP_S):
            await pool.wait_cursors({name: events[-1][0] for name, events in expected.items() if events})
    for viewer in viewers:
        for name, sequences in viewer.sequences.items():
            last = expected[name][-1][0] if expected[name] else 0
            viewer.sequences[name] = [each for each in sequences if each <= last]
    assert [*pool.differences, *violations(viewers, expected)] == []


def test_it_stops_cleanly_and_leaves_no_order(stack: Compose) -> None:
    count = ("exec", "-T", "venue", "python", "-c", OPEN_ORDERS)
    assert int(stack.run(*count)) > 0
    stack.run("stop", "engine")
    assert int(stack.run(*count)) == 0
    stack.run("stop")
    lines = stack.run("ps", "--all", "--format", "json").splitlines()
    codes = {each["Service"]: each["ExitCode"] for each in map(json.loads, lines)}
    assert {part: codes[part] for part in PARTS} == dict.fromkeys(PARTS, 0)


def test_a_wrong_configuration_is_told_at_once(stack: Compose, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("venues: {}\nsymbols: []\nunknown: 1\n")
    wrong = Compose(stack.http_port, stack.bus_port, file)
    with pytest.raises(AssertionError, match=r"(?s)opensqt\.yaml.*unknown"):
        wrong.run("run", "--rm", "--no-deps", "engine")
    wrong.run("down", "--volumes")


@asynccontextmanager
async def operator(stack: Compose, folder: Path) -> AsyncIterator[Bus]:
    """Connect from outside of the containers, with the admin's key."""
    await asyncio.to_thread(stack.run, "cp", "bus:/keys/contexts", str(folder))
    context = read_context(folder / "contexts" / "admin.json")
    async with connect(
        msgspec.structs.replace(context, url=f"tls://127.0.0.1:{stack.bus_port}"), name="test"
    ) as bus:
        yield bus


@asynccontextmanager
async def running(pool: ViewerPool) -> AsyncIterator[None]:
    task = asyncio.create_task(pool.run())
    yield
    task.cancel()
    await asyncio.wait([task])


async def expected_events(bus: Bus) -> StoredEvents:
    """Return the durable events in the streams but for alerts about parts, which concern no symbol."""
    events = await stored_events(bus)
    return {name: [each for each in stored if each[1] != "_all"] for name, stored in events.items()}
