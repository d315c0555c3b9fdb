"""`tap`: printing stored and new messages."""

import asyncio

import pytest

from bus import Bus
from cli.background import background_task
from cli.commands.tap import TapOptions, tap
from cli.errors import CommandError
from cli.inspect.event_lines import event_line
from cli.inspect.subject_check import subject_problem, unknown_tokens
from cli.stack.connection import BusAddress
from schemas import subjects
from schemas.catalog import CHANNELS, Channel
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

    async with background_task(tap(BusAddress(bus.url), options), "tap"):
        assert SUBJECT in await output.get()
        await bus.store(SUBJECT, FILL)
        assert "buy  1 at 100" in await output.get()


async def test_only_new_messages_are_printed_by_default(bus: Bus, output: Output) -> None:
    async with background_task(tap(BusAddress(bus.url), TapOptions(subject="engine.>")), "tap"):
        while output.empty():
            await bus.publish(SUBJECT, b"not an event")
            await asyncio.sleep(0)

        assert (await output.get()).endswith("not an event")


async def test_raw_prints_the_message_unchanged(bus: Bus, output: Output) -> None:
    await bus.store(SUBJECT, FILL)

    async with background_task(
        tap(BusAddress(bus.url), TapOptions(subject=SUBJECT, last=True, raw=True)), "tap"
    ):
        assert (await output.get()).startswith(f'{SUBJECT} {{"type":"Fill"')


async def test_headers_are_printed_below_the_message(bus: Bus, output: Output) -> None:
    await bus.store(SUBJECT, FILL, message_id="fill.1")

    async with background_task(
        tap(BusAddress(bus.url), TapOptions(subject=SUBJECT, last=True, headers=True)), "tap"
    ):
        lines = (await output.get()).splitlines()
    assert f"    traceparent: {new_trace('fill.1')}" in lines


async def test_a_subject_without_a_stream_has_no_stored_messages(bus: Bus) -> None:
    with pytest.raises(CommandError, match="need a subject that a stream stores"):
        await tap(BusAddress(bus.url), TapOptions(subject=">", last=True))


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("orders.>", r"no stream has orders.>; there is .*order.>.*; did you mean 'order.>'\?"),
        ("nonsense", "no stream has nonsense; there is account.>, alert.>"),
        ("engine", r"no message has the subject engine; 'engine.>' is all of: .*engine.VENUE.SYMBOL.fill"),
        ("engine.sim.*.fills", "no message has the subject engine.sim"),
        ("engine..fill", "is no subject"),
        ("engine.sim.BTC/USDT:USDT.fill", "written with - and _: 'engine.sim.BTC-USDT_USDT.fill'"),
    ],
)
async def test_a_subject_that_no_message_has_is_rejected(bus: Bus, subject: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        await tap(BusAddress(bus.url), TapOptions(subject=subject))


@pytest.mark.parametrize(
    "channel", [each for each in CHANNELS if not each.bucket], ids=lambda each: each.name
)
def test_the_subjects_of_all_messages_are_accepted(channel: Channel) -> None:
    subject = ".".join("*" if each.startswith("{") else each for each in channel.address.split("."))

    assert subject_problem(subject) == ""
    assert subject_problem(f"{subject.partition('.')[0]}.>") == ""
    assert unknown_tokens(subject, ["sim.BTC-USDT_USDT"]) == ""


@pytest.mark.parametrize(
    "subject", [">", "*.sim.>", "live.engine.>", "$JS.API.>", "_INBOX.>", "part.engine.*"]
)
def test_other_subjects_on_the_bus_are_accepted(subject: str) -> None:
    assert subject_problem(subject) == unknown_tokens(subject, ["sim.BTC-USDT_USDT"]) == ""


@pytest.mark.parametrize(
    ("subject", "note"),
    [
        ("engine.simm.*.fill", "no venue simm is known here; there is sim"),
        ("engine.sim.BTCUSDT.fill", "no symbol BTCUSDT is known here; there is BTC-USDT_USDT"),
    ],
)
def test_an_unknown_venue_or_symbol_is_noted(subject: str, note: str) -> None:
    assert unknown_tokens(subject, ["sim.BTC-USDT_USDT"]) == note


def test_a_message_of_another_day_has_its_date() -> None:
    line = event_line(SUBJECT, b"x", 1_700_000_000_500_000_000, is_coloured=False, is_dated=True)

    assert line.startswith("2023-11-14 22:13:20.500 ")
