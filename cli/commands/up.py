"""`opensqt up`: run the whole stack on this machine until it is interrupted or a recording ends."""

import argparse
import asyncio
import os
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from urllib.parse import urlsplit

from bus import add_log_options, get_logger
from bus.private_files import private_umask
from cli import parser as arguments
from cli.background import background_task, run_main
from cli.commands.up_options import UpOptions, check_options, with_options
from cli.config.file import DEFAULT_FILE, Configuration, load
from cli.config.warnings import warnings
from cli.console import Console
from cli.errors import CommandError
from cli.interrupt import ended_at_once_by_second_signal
from cli.program import data_dir_option, program
from cli.stack.alert_watch import AlertWatch
from cli.stack.connection import DEFAULT_PORT
from cli.stack.data_dir import (
    DATA_FORMAT,
    DataDir,
    RunRecord,
    default_data_dir,
    fresh_replay_dir,
)
from cli.stack.live_server import lan_host
from cli.stack.log_watch import LogFollower, LogWatch
from cli.stack.ports import ChosenPort, choose
from cli.stack.process import ManagedProcess
from cli.stack.readiness import LIVE_SERVER, PARTS, until_ready
from cli.stack.replay import play
from cli.stack.stack import Stack, StackSettings, log_file, part_names, run_stack
from cli.stack.venues import MARKET
from producers.simulated.parameters import FillModel

DESCRIPTION = (
    "Run the whole stack on this machine: embedded bus, simulated venue, producers, engine, gateway and live "
    "server. Ctrl-C stops it."
)
HTTP_PORT = 8080
OWN_NAME = "up"


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
        type=arguments.count_or_none,
        default=1,
        metavar="N",
        help="number of live servers, on consecutive ports (default: 1); 0 trades without a page",
    )
    add_log_options(parser)
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
        help="with --replay: currency of the file's volumes (default: base)",
    )
    parser.add_argument(
        "--speed",
        type=arguments.speed,
        metavar="N|max",
        help="with --replay: speed-up factor (default: 1); `max` runs in lock-step (deterministic)",
    )
    parser.add_argument(
        "--fill-model",
        type=FillModel,
        choices=tuple(FillModel),
        help="with --replay: when resting orders are filled; compare `optimistic` and `through` for the bounds",
    )
    parser.add_argument(
        "--symbol",
        metavar="SYMBOL",
        help="with --replay: symbol of the recording (default: the configuration's first)",
    )
    parser.add_argument(
        "--allow-origin",
        type=arguments.origin,
        action="append",
        default=[],
        metavar="ORIGIN",
        help="origin of another page that may connect to the live servers, such as https://example.org; may be repeated, "
        "and adds to http.allowed_origins of the configuration",
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
    check_options(options)
    configuration = with_options(load(options.config or DEFAULT_FILE), options)
    configuration.logging.apply()
    pages = min(options.viewers, 1) if options.share_port else options.viewers
    http = _choose_port("--http-port", options.http_port, configuration.http.port, HTTP_PORT, pages)
    bus = _choose_port("--bus-port", options.bus_port, configuration.bus.port, DEFAULT_PORT)
    data = DataDir(_data_dir(options))
    parts: dict[str, ManagedProcess] = {}
    with (
        private_umask(),
        data.hold() as earlier_format,
        log_to_file(data),
        logged_output(console) as tell,
        ended_at_once_by_second_signal(parts, tell),
    ):
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
        tell(f"opensqt: {_title(configuration)}; data in {data.root}")
        if data.close_to_others():
            tell(f"{data.root} was open to other users of this machine: it is closed now (mode 700)")
        if earlier_format is not None:
            tell(f"data format {earlier_format} is now {DATA_FORMAT}: earlier versions cannot use it")
        for name, chosen, default in (("page", http, HTTP_PORT), ("bus", bus, DEFAULT_PORT)):
            if not chosen.is_default and (pages or name == "bus"):
                tell(f"port {default} is in use: the {name} uses port {chosen.port}")
        for warning in warnings(configuration):
            tell(warning)
        server = ", live server" if options.viewers else "; no live server: --viewers 0"
        tell(f"starting venue, bus, market, account, gateway, engine{server} ...")
        try:
            return await _supervise(settings, options, console, tell, parts, started_s)
        except CommandError as error:
            get_logger(OWN_NAME).error("failed", detail=str(error))
            raise
        finally:
            data.record.unlink(missing_ok=True)
            tell("stopped")


async def _supervise(
    settings: StackSettings,
    options: UpOptions,
    console: Console,
    tell: Callable[[str], None],
    parts: dict[str, ManagedProcess],
    started_s: float,
) -> int:
    names = [OWN_NAME, *part_names(settings)]
    logs = [LogFollower(name, log_file(settings.data, name)) for name in names]
    async with run_stack(settings, console.print, note=tell, parts=parts) as stack:
        settings.data.write(_record(settings, stack))
        async with (
            background_task(LogWatch(logs, console.print).run(), "log watch"),
            background_task(AlertWatch(stack.bus, console.print, stack.problems).run(), "alert watch"),
        ):
            try:
                is_success = await _until_end(stack, settings, options, console, tell, started_s)
            finally:
                console.end_progress()
                tell("stopping ...")
    return 0 if is_success else 1


@contextmanager
def log_to_file(data: DataDir) -> Iterator[None]:
    """Write this process's log (standard error) to a file like those of the parts."""
    with log_file(data, OWN_NAME).open("a", encoding="utf-8") as file, redirect_stderr(file):
        yield


@contextmanager
def logged_output(console: Console) -> Iterator[Callable[[str], None]]:
    """Yield a function that prints a text on the console and writes each of its lines to this process's log."""
    log = get_logger(OWN_NAME)

    def tell(text: str) -> None:
        console.print(text)
        for line in text.splitlines():
            log.info("printed", text=line.strip())

    yield tell


async def _until_end(
    stack: Stack,
    settings: StackSettings,
    options: UpOptions,
    console: Console,
    tell: Callable[[str], None],
    started_s: float,
) -> bool:
    symbols = settings.configuration.symbols
    # A short recording may have ended before the other parts are ready.
    parts = PARTS if options.replay is None else PARTS - {MARKET}
    if not options.viewers:
        parts = parts - {LIVE_SERVER}
    venues = [venue.venue for venue in settings.configuration.venues]
    await until_ready(stack.bus, parts, venues, symbols, stack.pages, tell)
    tell(_ready_text(stack, settings, time.monotonic() - started_s))
    if options.replay is not None:
        return await play(stack, symbols[0], console, tell)
    await asyncio.get_running_loop().create_future()
    raise AssertionError("this future is never set, only canceled")


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
    option = data_dir_option(None if is_default else settings.data.root)
    pages = [f"  page    {page}" for page in stack.pages] or ["  page    none: started with --viewers 0"]
    lines = [f"ready in {took_s:.1f} s", *pages]
    if (host := lan_host(settings.configuration)) is not None:
        ports = [urlsplit(page).port for page in stack.pages]
        lines += [f"  page    http://{host}:{port} from other machines" for port in ports]
    if shutil.which("nats"):
        context = shlex.quote(str(settings.data.bus_context))
        lines.append(f"  bus     nats --context {context} sub 'engine.>'")
    lines += [
        f"  bus     {program()} tap{option} 'engine.>'",
        f"  state   {program()} status{option}",
        f"  logs    {settings.data.logs}",
        "  stop    Ctrl-C",
    ]
    return "\n".join(lines)
