"""`opensqt bus`: run the embedded bus in the foreground, back it up, restore it, make a secured one."""

import argparse
import sys
from pathlib import Path

from bus import Credentials, EmbeddedServer, InvalidContext, add_log_options, connect, provision, read_context
from bus.private_files import private_umask
from cli import parser as arguments
from cli.background import run_main
from cli.commands import bus_init
from cli.errors import CommandError
from cli.program import program
from cli.stack import backup
from cli.stack.connection import DEFAULT_PORT, BusPlace
from cli.stack.data_dir import DATA_FORMAT, DataDir, default_data_dir
from cli.stack.ports import HOST
from liveserver.auth.settings import is_loopback

DESCRIPTION = (
    "Run the embedded bus (nats-server with JetStream) in the foreground; or back up its streams and buckets into a "
    "directory, also while they are in use; or restore them, while no part runs; or write users, keys, certificates and "
    "configuration of a secured bus."
)
ACTIONS = ("backup", "restore")
INIT = "init"
OPTION_ACTIONS: dict[str, tuple[str | None, ...]] = {
    "data_dir": (None, *ACTIONS),
    "bus_url": ACTIONS,
    "bus_context": (None, *ACTIONS),
    "port": (None,),
    "host": (None, INIT),
    "force": ("restore", INIT),
    "no_safety_copy": ("restore",),
    **dict.fromkeys(bus_init.OPTIONS, (INIT,)),
}
"""Options that only some actions use; None is the bus itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their options."""
    parser.usage = (
        "opensqt bus [--data-dir DIR] [--port PORT] [--host HOST] [--bus-context FILE]\n"
        "       opensqt bus backup DIRECTORY [--data-dir DIR | --bus-context FILE]\n"
        "       opensqt bus restore DIRECTORY [--data-dir DIR | --bus-context FILE] [--force] [--no-safety-copy]\n"
        "       opensqt bus init DIRECTORY [--server NAME=HOST:PORT ...] [--host NAME ...] [--venue NAME ...] [--no-tls]\n"
        "                                  [--rotate USER ...] [--renew] [--store DIR] [--force]"
    )
    parser.add_argument("action", nargs="?", choices=(*ACTIONS, INIT), help="default: run the bus")
    parser.add_argument(
        "directory",
        nargs="?",
        type=Path,
        metavar="DIRECTORY",
        help="directory of the backup, or of the secured bus",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="data directory of `up` (default: data)")
    add_log_options(parser)
    parser.add_argument("--bus-url", metavar="URL", help="back up or restore this running bus")
    parser.add_argument(
        "--bus-context",
        type=Path,
        metavar="FILE",
        help="back up or restore the running bus of this context, a file with address and credentials; or run a bus "
        "that demands the user and password in it (default: those in DIR/bus-context.json, made at the first start)",
    )
    parser.add_argument(
        "--port",
        type=arguments.port,
        help=f"port to listen on (default: {DEFAULT_PORT}; 0: any free port)",
    )
    parser.add_argument(
        "--host",
        action="append",
        help=f"address to listen on (default: {HOST}); init: further names and addresses of the servers, for their "
        "certificates",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="restore although parts are connected; init: use a directory that has other files",
    )
    parser.add_argument(
        "--no-safety-copy",
        action="store_true",
        help="do not back up the present streams next to DIRECTORY before they are replaced",
    )
    bus_init.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run the bus until it is interrupted, or back it up, restore it, or make a secured one.

    Raises: CommandError, also when this program cannot use the format of the data directory.
    """
    _check_options(options)
    if options.action is None:
        data = DataDir((options.data_dir or default_data_dir()).absolute())
        port = DEFAULT_PORT if options.port is None else options.port
        host = options.host[-1] if options.host else HOST
        return run_main(lambda: serve(data, port, host, options.bus_context))
    if options.action == INIT:
        return bus_init.run(options)
    where = BusPlace(options.bus_url, options.data_dir, options.bus_context)
    if options.action == "backup":
        return run_main(lambda: backup.back_up_bus(where, options.directory), is_quiet=True)
    return run_main(
        lambda: backup.restore_bus(
            where, options.directory, is_forced=options.force, has_safety_copy=not options.no_safety_copy
        ),
        is_quiet=True,
    )


def _check_options(options: argparse.Namespace) -> None:
    for option, actions in OPTION_ACTIONS.items():
        if getattr(options, option) not in (None, False) and options.action not in actions:
            names = " and ".join(f"bus {each}" if each else "bus itself" for each in actions)
            raise CommandError(f"--{option.replace('_', '-')} is an option of {names}")
    hosts = options.host or () if options.action is None else ()
    if any(not is_loopback(each) for each in hosts) and options.bus_context is None:
        raise CommandError(
            f"--host {' '.join(hosts)}: others must not reach the bus without credentials of their own. Make users, keys "
            f"and TLS with `{program()} bus init`, and run nats-server with that configuration; or, in a network "
            "that nobody observes, name a file with user and password with --bus-context"
        )
    if options.action is not None and options.directory is None:
        of = "secured bus" if options.action == INIT else "backup"
        raise CommandError(f"bus {options.action}: name the directory of the {of}")


async def serve(data: DataDir, port: int, host: str, context_file: Path | None = None) -> int:
    """Run the bus until it is interrupted; return 1 when the server exits by itself.

    Clients need the user and password of `context_file`, by default those that the data directory keeps.
    Raises: CommandError when this program cannot use the data directory or the file; bus.ServerStartFailed.
    """
    with private_umask():
        if data.format() is None:
            data.write_format(DATA_FORMAT)
        data.check_format()
        if data.close_to_others():
            print(f"{data.root} was open to other users of this machine: it is closed now (mode 700)")
        credentials = data.bus_credentials() if context_file is None else _credentials_in(context_file)
        async with EmbeddedServer(data.bus, port=port, host=host, credentials=credentials) as server:
            context = data.write_bus_context(server.url, credentials)
            async with connect(context, name="provision") as connection:
                await provision(connection)
            print(
                f"bus at {server.url}, data in {server.data_dir}; Ctrl-C stops it\n"
                f"parts and commands reach it with {context.option}",
                flush=True,
            )
            code = await server.wait()
    print(f"nats-server exited with code {code}: see {server.log_file}", file=sys.stderr)
    return 1


def _credentials_in(file: Path) -> Credentials:
    try:
        context = read_context(file)
    except InvalidContext as error:
        raise CommandError(str(error)) from error
    if not (context.user and context.password):
        raise CommandError(f"{file} has no user and password for the clients of this bus: add both")
    return Credentials(context.user, context.password)
