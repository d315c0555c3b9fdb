"""`opensqt up`: the whole stack on this machine, until it is interrupted or a recording has ended."""

import asyncio
import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Literal

import msgspec

from cli.background import beside
from cli.commands.config import warnings
from cli.commands.replay import play
from cli.config.file import DEFAULT_FILE, Configuration, load
from cli.console import Console
from cli.errors import CommandError
from cli.stack.data_dir import DataDir, RunRecord, default_data_dir, fresh_replay_dir
from cli.stack.log_watch import Complaints, LogTail
from cli.stack.ports import Chosen, choose
from cli.stack.readiness import PARTS, until_ready
from cli.stack.stack import MARKET, Stack, StackSettings, log_of, part_names, running
from cli.stack.symbols import only
from engine.core.settings_checks import check
from producers.simulated.market.candle_files import RecordingError
from producers.simulated.market.recording import RecordingTape
from producers.simulated.settings import RecordingSettings, VenueSettings
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioSettings
from schemas.units import Symbol

HTTP_PORT = 8080
BUS_PORT = 4222
OWN_NAME = "up"


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `up` was asked for."""

    config: Path | None = None
    data_dir: Path | None = None
    http_port: int | None = None
    bus_port: int | None = None
    viewers: int = 1
    share_port: bool = False
    engines: int = 1
    gateways: int = 1
    replay: Path | None = None
    replay_volume: Literal["base", "quote"] = "base"
    speed: float | Literal["max"] = 1.0
    symbol: Symbol | None = None


async def up(options: UpOptions) -> int:
    """Run the stack. Exit code 1 when a replay ended with books that disagree."""
    started, console = time.monotonic(), Console()
    # A closed terminal stops everything in order, as Ctrl-C does.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, os.kill, os.getpid(), signal.SIGTERM)
    if options.speed == "max" and max(options.engines, options.gateways) > 1:
        raise CommandError(
            "--speed max waits for one engine and one gateway: leave --engines and --gateways out"
        )
    path = options.config or DEFAULT_FILE
    configuration = _wanted(load(path), options)
    pages = 1 if options.share_port else options.viewers
    http = _port("--http-port", options.http_port, configuration.http.port, HTTP_PORT, pages)
    bus = _port("--bus-port", options.bus_port, configuration.bus_port, BUS_PORT)
    data = DataDir(_data_dir(options))
    with data.hold(), own_log(data):
        settings = StackSettings(
            configuration,
            data,
            bus.port,
            http.port,
            viewers=options.viewers,
            engines=options.engines,
            gateways=options.gateways,
            share_port=options.share_port,
        )
        console.say(f"opensqt: {_title(configuration)}; data in {data.root}")
        for name, chosen, usual in (("page", http, HTTP_PORT), ("bus", bus, BUS_PORT)):
            if not chosen.is_default:
                console.say(f"port {usual} is taken: the {name} is at {chosen.port}")
        for warning in warnings(configuration):
            console.say(warning)
        console.say("starting venue, bus, market, account, gateway, engine, live server ...")
        try:
            return await _run(settings, options, console, started)
        finally:
            data.record.unlink(missing_ok=True)
            console.say("stopped")


async def _run(settings: StackSettings, options: UpOptions, console: Console, started: float) -> int:
    names = [OWN_NAME, *part_names(settings)]
    tails = [LogTail(name, log_of(settings.data, name)) for name in names]
    async with running(settings, console.say) as stack:
        settings.data.write(_record(settings, stack))
        async with beside(Complaints(tails, console.say).run(), "complaints"):
            try:
                agree = await _until_the_end(stack, settings, options, console, started)
            finally:
                console.end_progress()
                console.say("stopping ...")
    return 0 if agree else 1


@contextmanager
def own_log(data: DataDir) -> Iterator[None]:
    """Let what our own logger says go to a file, like that of the parts; the console is for people."""
    with log_of(data, OWN_NAME).open("a", encoding="utf-8") as file, redirect_stderr(file):
        yield


async def _until_the_end(
    stack: Stack, settings: StackSettings, options: UpOptions, console: Console, started: float
) -> bool:
    symbols = settings.configuration.symbols
    # A short recording may have ended before everything else is ready.
    parts = PARTS if options.replay is None else PARTS - {MARKET}
    await until_ready(stack.bus, parts, symbols, stack.pages, console.say)
    console.say(_welcome(stack, settings, time.monotonic() - started))
    if options.replay is not None:
        return await play(stack, symbols[0], console)
    await asyncio.get_running_loop().create_future()
    raise AssertionError("interrupted, or never")


def _wanted(configuration: Configuration, options: UpOptions) -> Configuration:
    """Return the configuration with what the command line wants of the venue."""
    venue, symbols = configuration.venue, configuration.symbols
    venue = msgspec.structs.replace(venue, speed=options.speed)
    if options.replay is not None:
        entry = only(symbols, options.symbol)
        symbols = (entry,)
        # A recording is one symbol by itself, and what the limits hear comes in no order.
        configuration = msgspec.structs.replace(configuration, portfolio=PortfolioSettings())
        venue = msgspec.structs.replace(
            venue,
            symbols=tuple(each for each in venue.symbols if each.instrument.symbol == entry.symbol),
            recording=RecordingSettings(
                paths={entry.symbol: str(options.replay.absolute())}, volume=options.replay_volume
            ),
        )
        _check_recording(entry, venue, options.replay)
    elif options.symbol is not None:
        raise CommandError("--symbol says which symbol a recording is of: it goes with --replay")
    return msgspec.structs.replace(configuration, venue=venue, symbols=symbols)


def _check_recording(entry: SymbolEntry, venue: VenueSettings, path: Path) -> None:
    assert venue.recording is not None
    try:
        tape = RecordingTape(venue, venue.recording)
    except RecordingError as error:
        raise CommandError(f"{error}") from error
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    price = tape.standing(0, 0)[0].quote.last
    mistakes = check(entry.settings, venue.symbols[0].instrument, price)
    if mistakes:
        raise CommandError(f"{path} begins at {price}: {'; '.join(mistakes)}")


def _data_dir(options: UpOptions) -> Path:
    if options.data_dir is not None:
        return options.data_dir.absolute()
    return default_data_dir() if options.replay is None else fresh_replay_dir(default_data_dir())


def _port(option: str, asked: int | None, configured: int | None, usual: int, count: int = 1) -> Chosen:
    if asked is None and configured is not None:
        option, asked = f"{option} (the configuration asks for it)", configured
    return choose(option, asked, usual, count)


def _record(settings: StackSettings, stack: Stack) -> RunRecord:
    return RunRecord(
        pid=os.getpid(),
        bus_url=stack.bus.url,
        venue_url=stack.venue_url,
        pages=stack.pages,
        logs=str(settings.data.logs),
    )


def _title(configuration: Configuration) -> str:
    names = ", ".join(f"{entry.symbol} {entry.settings.mode}" for entry in configuration.symbols)
    return f"{names} on {configuration.venue.venue}"


def _welcome(stack: Stack, settings: StackSettings, took_s: float) -> str:
    is_usual = settings.data.root == default_data_dir()
    where = "" if is_usual else f" --data-dir {shlex.quote(str(settings.data.root))}"
    lines = [f"ready in {took_s:.1f} s", *(f"  page    {page}" for page in stack.pages)]
    lines += [
        f"  bus     nats sub -s {stack.bus.url} 'engine.>'    or: opensqt tap{where} 'engine.>'",
        f"  state   opensqt status{where}",
        f"  logs    {settings.data.logs}",
        "  stop    Ctrl-C",
    ]
    return "\n".join(lines)
