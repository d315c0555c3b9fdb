"""`opensqt tap SUBJECT`: print bus messages, new ones only or from the streams' history."""

import argparse
import asyncio
import sys
import time
from contextlib import aclosing, suppress

import msgspec

from bus import Bus, FromTime, LastPerSubject, Message, OffsetLost, Received, Registry, StreamGone, read
from cli import parser as arguments
from cli.background import run_main
from cli.errors import CommandError
from cli.inspect.event_lines import event_line
from cli.inspect.subject_check import subject_problem, unknown_tokens
from cli.stack.connection import BusAddress, BusPlace, connect_to_bus, locate_bus
from schemas.subjects import Stream
from schemas.units import SECOND_NS, DurationNs

DESCRIPTION = (
    "Print bus messages, with times in UTC. Subjects have the form kind.venue.symbol.detail; 'engine.>' matches all of a "
    "kind."
)
STREAM_OF = {
    "market": Stream.MARKET,
    "candle": Stream.CANDLES,
    "order": Stream.ORDERS,
    "account": Stream.ACCOUNT,
    "journal": Stream.JOURNAL,
    "engine": Stream.ENGINE,
    "alert": Stream.ALERTS,
    "control": Stream.CONTROL,
    "part": Stream.PARTS,
}
"""The stream of a subject, by the subject's first token."""


DAY_NS = 24 * 3600 * SECOND_NS


class TapOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `tap`."""

    subject: str
    raw: bool = False
    headers: bool = False
    since: DurationNs | None = None
    last: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define SUBJECT, --raw, --headers, --since and --last, and how to find the bus."""
    parser.add_argument("subject", metavar="SUBJECT", help="such as 'engine.>' or 'market.sim.*.ticker'")
    parser.add_argument("--raw", action="store_true", help="print the messages unchanged, as JSON")
    parser.add_argument(
        "--headers", action="store_true", help="print the headers below each message, such as its trace"
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--since",
        type=arguments.duration,
        metavar="5m",
        help="start with the messages stored in the last 5 minutes",
    )
    start.add_argument("--last", action="store_true", help="start with the last message of each subject")
    arguments.add_bus_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print messages until interrupted."""
    tap_options = TapOptions(
        subject=options.subject,
        raw=options.raw,
        headers=options.headers,
        since=options.since,
        last=options.last,
    )
    address = locate_bus(BusPlace(options.bus_url, options.data_dir, options.bus_context))
    return run_main(lambda: tap(address, tap_options), is_quiet=True)


async def tap(address: BusAddress, options: TapOptions) -> int:
    """Print messages until interrupted or until standard output is closed.

    Raises: CommandError when no message can have the subject, or there is no bus; for stored messages also when no stream
    stores the subject or it is lost.
    """
    if problem := subject_problem(options.subject):
        raise CommandError(problem)
    async with connect_to_bus(address, "tap") as bus:
        for note in (f"bus {address}" if address.note else "", await _unknown(bus, options.subject)):
            if note:
                sys.stderr.write(f"{note}\n")
        if options.last or options.since is not None:
            await _print_stored(bus, options)
        else:
            await _print_new(bus, options)
    return 0


async def _unknown(bus: Bus, subject: str) -> str:
    """Return a note about a venue or symbol that is not known here; it may become known later."""
    keys: set[str] = set()
    with suppress(StreamGone):
        for bucket in ("symbols", "instruments"):
            keys |= (await Registry(bus, bucket).entries()).keys()
    return unknown_tokens(subject, keys)


async def _print_new(bus: Bus, options: TapOptions) -> None:
    messages: asyncio.Queue[tuple[Message, int]] = asyncio.Queue()
    unsubscribe = await bus.subscribe(
        options.subject, lambda message: messages.put_nowait((message, time.time_ns()))
    )
    try:
        while True:
            message, time_ns = await messages.get()
            _print_message(options, message, time_ns)
    finally:
        await unsubscribe()


async def _print_stored(bus: Bus, options: TapOptions) -> None:
    stream = STREAM_OF.get(options.subject.partition(".")[0])
    if stream is None:
        stored = ", ".join(f"{token}.>" for token in STREAM_OF)
        raise CommandError(f"--since and --last need a subject that a stream stores, such as {stored}")
    start = LastPerSubject() if options.since is None else FromTime(time.time_ns() - options.since)
    try:
        async with aclosing(read(bus, stream, [options.subject], start)) as batches:
            async for batch in batches:
                for received in batch.messages:
                    _print_message(options, received, received.time_ns)
    except (OffsetLost, StreamGone) as error:
        raise CommandError(f"the stream {stream} cannot be read: {error}") from error


def _print_message(options: TapOptions, message: Message | Received, time_ns: int) -> None:
    if options.raw:
        text = f"{message.subject} {message.data.decode('utf-8', 'backslashreplace')}"
    else:
        is_today = time_ns // DAY_NS == time.time_ns() // DAY_NS
        text = event_line(
            message.subject, message.data, time_ns, is_coloured=sys.stdout.isatty(), is_dated=not is_today
        )
    if options.headers:
        text += "".join(f"\n    {name}: {value}" for name, value in message.headers.items())
    print(text, flush=True)
