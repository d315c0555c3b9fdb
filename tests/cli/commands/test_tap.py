"""Tapping the bus."""

import asyncio

import pytest

from bus import Bus
from cli.background import beside
from cli.commands.tap import Tap, tap
from cli.errors import CommandError
from schemas import subjects
from tests.cli.events import FILL, SYMBOL, VENUE

SUBJECT = subjects.fill(VENUE, SYMBOL)


class Output(asyncio.Queue[str]):
    """What was printed, line by line."""

    def __call__(self, text: str, *, flush: bool) -> None:
        assert flush
        self.put_nowait(text)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    output = Output()
    monkeypatch.setattr("builtins.print", output)
    return output


@pytest.mark.parametrize(
    "wanted", [Tap(subject="engine.>", last=True), Tap(subject="engine.>", since=60 * 10**9)]
)
async def test_what_is_stored_is_shown_and_then_what_comes(bus: Bus, output: Output, wanted: Tap) -> None:
    await bus.store(SUBJECT, FILL)

    async with beside(tap(bus.url, wanted), "tap"):
        assert SUBJECT in await output.get()
        await bus.store(SUBJECT, FILL)
        assert "buy  1 at 100" in await output.get()


async def test_only_what_comes_is_shown_otherwise(bus: Bus, output: Output) -> None:
    async with beside(tap(bus.url, Tap(subject="engine.>")), "tap"):
        while output.empty():
            await bus.publish(SUBJECT, b"not an event")
            await asyncio.sleep(0)

        assert (await output.get()).endswith("not an event")


async def test_raw_is_the_message_as_it_is(bus: Bus, output: Output) -> None:
    await bus.store(SUBJECT, FILL)

    async with beside(tap(bus.url, Tap(subject=SUBJECT, last=True, raw=True)), "tap"):
        assert (await output.get()).startswith(f'{SUBJECT} {{"type":"Fill"')


async def test_a_subject_that_no_stream_keeps_has_no_past(bus: Bus) -> None:
    with pytest.raises(CommandError, match="need a subject that a stream keeps"):
        await tap(bus.url, Tap(subject=">", last=True))
