"""`opensqt up`: run the whole stack on this machine until it is interrupted or a recording ends."""

import argparse
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

from cli import parser as arguments
from cli.background import background_task, run_main
from cli.commands.config import warnings
from cli.commands.replay import play
from cli.config.file import DEFAULT_FILE, Configuration, load
from cli.console import Console
from cli.errors import CommandError
from cli.stack.alert_watch import AlertWatch
from cli.stack.connection import DEFAULT_PORT
from cli.stack.data_dir import DATA_FORMAT, DataDir, RunRecord, default_data_dir, fresh_replay_dir
from cli.stack.log_watch import LogFollower, LogWatch
from cli.stack.ports import ChosenPort, choose
from cli.stack.readiness import PARTS, until_ready
from cli.stack.stack import Stack, StackSettings, log_file, part_names, run_stack
from cli.stack.symbols import select_entry
from cli.stack.venues import MARKET
from engine.core.settings_checks import check
from producers.simulated.market.candle_files import RecordingError
from producers.simulated.market.recording import RecordingTape
from producers.simulated.settings import RecordingSettings, VenueSettings
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioSettings
from schemas.units import Symbol

DESCRIPTION = (
    "Run the whole stack on this machine: embedded bus, simulated venue, producers, engine, gateway and live "
    "server. Ctrl-C stops it."
)
HTTP_PORT = 8080
OWN_NAME = "up"


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `up`; the fields have the names of the command-line options."""

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of `UpOptions`."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration (default: the one that ships)"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="directory of all data and logs (default: data; for replays data/replay-NNN)",
    )
    parser.add_argument(
        "--http-port",
        type=arguments.port,
        metavar="PORT",
        help="port of the web page (default: 8080; 0: any free port)",
    )
    parser.add_argument(
        "--bus-port",
        type=arguments.port,
        metavar="PORT",
        help="port of the bus (default: 4222; 0: any free port)",
    )
    parser.add_argument(
        "--viewers",
        type=arguments.count,
        default=1,
        metavar="N",
        help="number of live servers, on consecutive ports (default: 1)",
    )
    parser.add_argument("--share-port", action="store_true", help="let all live servers share one port")
    parser.add_argument(
        "--engines",
        type=arguments.count,
        default=1,
        metavar="N",
        help="number of engines; they divide the symbols among themselves (default: 1)",
    )
    parser.add_argument(
        "--gateways",
        type=arguments.count,
        default=1,
        metavar="N",
        help="number of gateways; they divide the symbols among themselves (default: 1)",
    )
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="replay recorded candles instead of a generated market"
    )
    parser.add_argument(
        "--replay-volume",
        choices=("base", "quote"),
        default="base",
        help="currency of the file's volumes (default: %(default)s)",
    )
    parser.add_argument(
        "--speed",
        type=arguments.speed,
        default=1.0,
        metavar="N|max",
        help="speed-up factor; `max` runs in lock-step (deterministic)",
    )
    parser.add_argument(
        "--symbol", metavar="SYMBOL", help="symbol of the recording (default: the configuration's first)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the stack."""
    up_options = UpOptions(**{name: getattr(options, name) for name in UpOptions.__struct_fields__})
    return run_main(lambda: up(up_options))


async def up(options: UpOptions) -> int:
    """Run the stack. Return 1 when the accounts do not match the venue at the end of a replay.

    Raises: CommandError when an option, the configuration or the recording is invalid.
    """
    started_s, console = time.monotonic(), Console()
    # Closing the terminal stops everything in order, as Ctrl-C does.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, os.kill, os.getpid(), signal.SIGTERM)
    if options.speed == "max" and max(options.engines, options.gateways) > 1:
        raise CommandError("--speed max supports one engine and one gateway: omit --engines and --gateways")
    configuration = _with_options(load(options.config or DEFAULT_FILE), options)
    pages = 1 if options.share_port else options.viewers
    http = _choose_port("--http-port", options.http_port, configuration.http.port, HTTP_PORT, pages)
    bus = _choose_port("--bus-port", options.bus_port, configuration.bus_port, DEFAULT_PORT)
    data = DataDir(_data_dir(options))
    with data.hold() as earlier_format, log_to_file(data):
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
        console.print(f"opensqt: {_title(configuration)}; data in {data.root}")
        if earlier_format is not None:
            console.print(
                f"data format {earlier_format} is now {DATA_FORMAT}: earlier versions cannot use it"
            )
        for name, chosen, default in (("page", http, HTTP_PORT), ("bus", bus, DEFAULT_PORT)):
            if not chosen.is_default:
                console.print(f"port {default} is in use: the {name} uses port {chosen.port}")
        for warning in warnings(configuration):
            console.print(warning)
        console.print("starting venue, bus, market, account, gateway, engine, live server ...")
        try:
            return await _supervise(settings, options, console, started_s)
        finally:
            data.record.unlink(missing_ok=True)
            console.print("stopped")


async def _supervise(settings: StackSettings, options: UpOptions, console: Console, started_s: float) -> int:
    names = [OWN_NAME, *part_names(settings)]
    logs = [LogFollower(name, log_file(settings.data, name)) for name in names]
    async with run_stack(settings, console.print) as stack:
        settings.data.write(_record(settings, stack))
        async with (
            background_task(LogWatch(logs, console.print).run(), "log watch"),
            background_task(AlertWatch(stack.bus, console.print).run(), "alert watch"),
        ):
            try:
                is_success = await _until_end(stack, settings, options, console, started_s)
            finally:
                console.end_progress()
                console.print("stopping ...")
    return 0 if is_success else 1


@contextmanager
def log_to_file(data: DataDir) -> Iterator[None]:
    """Write this process's log (standard error) to a file like those of the parts."""
    with log_file(data, OWN_NAME).open("a", encoding="utf-8") as file, redirect_stderr(file):
        yield


async def _until_end(
    stack: Stack, settings: StackSettings, options: UpOptions, console: Console, started_s: float
) -> bool:
    symbols = settings.configuration.symbols
    # A short recording may have ended before the other parts are ready.
    parts = PARTS if options.replay is None else PARTS - {MARKET}
    venues = [venue.venue for venue in settings.configuration.venues]
    await until_ready(stack.bus, parts, venues, symbols, stack.pages, console.print)
    console.print(_ready_text(stack, settings, time.monotonic() - started_s))
    if options.replay is not None:
        return await play(stack, symbols[0], console)
    await asyncio.get_running_loop().create_future()
    raise AssertionError("this future is never set, only canceled")


def _with_options(configuration: Configuration, options: UpOptions) -> Configuration:
    """Return the configuration with the command line's speed and recording."""
    if options.replay is not None:
        entry = select_entry(configuration.symbols, options.symbol)
        venue = msgspec.structs.replace(
            configuration.venue_of(entry),
            symbols=(configuration.settings_of(entry),),
            speed=options.speed,
            recording=RecordingSettings(
                paths={entry.symbol: str(options.replay.absolute())}, volume=options.replay_volume
            ),
        )
        _check_recording(entry, venue, options.replay)
        # The limits over all symbols use inputs whose order is not deterministic; a recording has one symbol.
        return msgspec.structs.replace(
            configuration, venues=(venue,), symbols=(entry,), portfolio=PortfolioSettings()
        )
    if options.symbol is not None:
        raise CommandError("--symbol names the symbol of a recording: it needs --replay")
    if options.speed == "max" and len(configuration.venues) > 1:
        raise CommandError("--speed max supports one venue: each waits for its own parts only")
    venues = tuple(msgspec.structs.replace(venue, speed=options.speed) for venue in configuration.venues)
    return msgspec.structs.replace(configuration, venues=venues)


def _check_recording(entry: SymbolEntry, venue: VenueSettings, path: Path) -> None:
    assert venue.recording is not None
    try:
        tape = RecordingTape(venue, venue.recording)
    except RecordingError as error:
        raise CommandError(f"{error}") from error
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    price = tape.snapshot(0, 0)[0].quote.last
    mistakes = check(entry.settings, venue.symbols[0].instrument, price)
    if mistakes:
        raise CommandError(f"{path} starts at {price}: {'; '.join(mistakes)}")


def _data_dir(options: UpOptions) -> Path:
    if options.data_dir is not None:
        return options.data_dir.absolute()
    return default_data_dir() if options.replay is None else fresh_replay_dir(default_data_dir())


def _choose_port(
    option: str, requested: int | None, configured: int | None, default: int, count: int = 1
) -> ChosenPort:
    if requested is None and configured is not None:
        option, requested = f"{option} (overrides the configuration)", configured
    return choose(option, requested, default, count)


def _record(settings: StackSettings, stack: Stack) -> RunRecord:
    return RunRecord(
        pid=os.getpid(),
        bus_url=stack.bus.url,
        venue_url=stack.venue_url,
        pages=stack.pages,
        logs=str(settings.data.logs),
    )


def _title(configuration: Configuration) -> str:
    names = {
        venue.venue: ", ".join(
            f"{entry.symbol} {entry.settings.mode}"
            for entry in configuration.symbols
            if entry.venue == venue.venue
        )
        for venue in configuration.venues
    }
    return "; ".join(f"{symbols or 'nothing'} on {venue}" for venue, symbols in names.items())


def _ready_text(stack: Stack, settings: StackSettings, took_s: float) -> str:
    is_default = settings.data.root == default_data_dir()
    option = "" if is_default else f" --data-dir {shlex.quote(str(settings.data.root))}"
    lines = [f"ready in {took_s:.1f} s", *(f"  page    {page}" for page in stack.pages)]
    lines += [
        f"  bus     nats sub -s {stack.bus.url} 'engine.>'    or: opensqt tap{option} 'engine.>'",
        f"  state   opensqt status{option}",
        f"  logs    {settings.data.logs}",
        "  stop    Ctrl-C",
    ]
    return "\n".join(lines)
