"""`tap`: printing stored and new messages."""

import asyncio

import pytest

from bus import Bus
from cli.background import background_task
from cli.commands.tap import TapOptions, tap
from cli.errors import CommandError
from schemas import subjects
from schemas.traceparent import new_trace
from tests.cli.events import FILL, SYMBOL, VENUE

SUBJECT = subjects.fill(VENUE, SYMBOL)


class Output(asyncio.Queue[str]):
    """Replacement of `print` that collects the lines."""

    def __call__(self, text: str, *, flush: bool) -> None:
        assert flush
        self.put_nowait(text)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    output = Output()
    monkeypatch.setattr("builtins.print", output)
    return output


@pytest.mark.parametrize(
    "options", [TapOptions(subject="engine.>", last=True), TapOptions(subject="engine.>", since=60 * 10**9)]
)
async def test_stored_messages_are_printed_before_new_ones(
    bus: Bus, output: Output, options: TapOptions
) -> None:
    await bus.store(SUBJECT, FILL)

    async with background_task(tap(bus.url, options), "tap"):
        assert SUBJECT in await output.get()
        await bus.store(SUBJECT, FILL)
        assert "buy  1 at 100" in await output.get()


async def test_only_new_messages_are_printed_by_default(bus: Bus, output: Output) -> None:
    async with background_task(tap(bus.url, TapOptions(subject="engine.>")), "tap"):
        while output.empty():
            await bus.publish(SUBJECT, b"not an event")
            await asyncio.sleep(0)

        assert (await output.get()).endswith("not an event")


async def test_raw_prints_the_message_unchanged(bus: Bus, output: Output) -> None:
    await bus.store(SUBJECT, FILL)

    async with background_task(tap(bus.url, TapOptions(subject=SUBJECT, last=True, raw=True)), "tap"):
        assert (await output.get()).startswith(f'{SUBJECT} {{"type":"Fill"')


async def test_headers_are_printed_below_the_message(bus: Bus, output: Output) -> None:
    await bus.store(SUBJECT, FILL, message_id="fill.1")

    async with background_task(tap(bus.url, TapOptions(subject=SUBJECT, last=True, headers=True)), "tap"):
        lines = (await output.get()).splitlines()
    assert f"    traceparent: {new_trace('fill.1')}" in lines


async def test_a_subject_without_a_stream_has_no_stored_messages(bus: Bus) -> None:
    with pytest.raises(CommandError, match="need a subject that a stream stores"):
        await tap(bus.url, TapOptions(subject=">", last=True))
