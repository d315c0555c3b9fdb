"""The command line: argument parsing only. What a command needs is imported when it runs, so that --help is quick."""

import argparse
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Never

from cli import __version__, arguments
from cli.commands import control_arguments
from cli.errors import CommandError
from cli.groups import COMMANDS, PASSED_ON, listed

BUS_PORT = 4222
Command = Callable[[argparse.Namespace], int]


def main() -> int:
    """Run the command that the process was started with; return its exit code."""
    line = sys.argv[1:]
    if line and line[0] == "--debug":
        os.environ["OPENSQT_DEBUG"] = "1"
        del line[0]
    try:
        if line and line[0] in PASSED_ON:
            _pass_on(line[0], line[1:])
        if line and not line[0].startswith("-") and line[0] not in COMMANDS:
            raise CommandError(f"there is no command {line[0]}; opensqt --help lists them")
        options = parser().parse_args(line or ["--help"])
        if options.debug:
            os.environ["OPENSQT_DEBUG"] = "1"
        command: Command = options.run
        return command(options)
    except CommandError as error:
        if os.environ.get("OPENSQT_DEBUG"):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands that are not passed on."""
    top = argparse.ArgumentParser(
        prog="opensqt",
        usage="opensqt [--debug] COMMAND ...",
        description="A crypto market maker on an event bus.",
        epilog=listed(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"opensqt {__version__}")
    top.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = top.add_subparsers(required=True, metavar="COMMAND", help=argparse.SUPPRESS, prog="opensqt")
    for add in (_add_up, _add_config, _add_key, _add_plan, _add_status, _add_tap, _add_control, _add_bus):
        add(commands)
    return top


def _pass_on(name: str, line: Sequence[str]) -> Never:
    if name == "test":
        from cli.commands import test

        test.become_pytest(line)
    from cli.commands import entry_points

    entry_points.become(name, line)


Commands = Any  # argparse has no public name for what add_subparsers returns


def _add(commands: Commands, name: str, text: str, run: Command) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(name, description=text)
    added.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show where an error is"
    )
    added.set_defaults(run=run)
    return added


def _add_up(commands: Commands) -> None:
    up = _add(
        commands,
        "up",
        "Runs the whole stack on this machine: embedded bus, simulated venue, producers, engine, gateway, live "
        "server. Ctrl-C stops all of it.",
        _up,
    )
    up.add_argument(
        "--config", type=Path, metavar="FILE", help="the configuration (default: one that is shipped)"
    )
    up.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where everything is kept (default: data; data/replay-NNN)",
    )
    up.add_argument(
        "--http-port", type=arguments.port, metavar="PORT", help="the page's (default 8080; 0: any free one)"
    )
    up.add_argument(
        "--bus-port", type=arguments.port, metavar="PORT", help="the bus's (default 4222; 0: any free one)"
    )
    up.add_argument(
        "--viewers",
        type=arguments.count,
        default=1,
        metavar="N",
        help="live servers, at ports one after the other",
    )
    up.add_argument("--share-port", action="store_true", help="all of them at one port")
    up.add_argument(
        "--engines", type=arguments.count, default=1, metavar="N", help="engines, which share the symbols"
    )
    up.add_argument(
        "--gateways", type=arguments.count, default=1, metavar="N", help="gateways, which share the symbols"
    )
    up.add_argument("--replay", type=Path, metavar="FILE", help="play recorded candles instead of a model")
    up.add_argument(
        "--replay-volume",
        choices=("base", "quote"),
        default="base",
        help="the currency that the volumes of the file count (%(default)s)",
    )
    up.add_argument(
        "--speed",
        type=arguments.speed,
        default=1.0,
        metavar="N|max",
        help="so many times as fast; max goes on as soon as everyone is done, always with the same result",
    )
    up.add_argument("--symbol", metavar="SYMBOL", help="what the recording is of (default: the first symbol)")


def _add_config(commands: Commands) -> None:
    config = commands.add_parser("config", description="Looks at a configuration file.")
    check = _add(
        config.add_subparsers(required=True, metavar="check"),
        "check",
        "Prints what a configuration file says, or all that is wrong with it, with lines.",
        _config_check,
    )
    check.add_argument("file", nargs="?", type=Path, help="default: the one that is shipped")


def _add_key(commands: Commands) -> None:
    key = _add(commands, "key", "Makes an API key, and the line of the configuration that knows it.", _key)
    key.add_argument("--name", required=True, help="of whoever gets it: it is the operator of its commands")
    key.add_argument("--role", choices=["viewer", "operator", "admin"], default="viewer", help="%(default)s")


def _add_plan(commands: Commands) -> None:
    plan = _add(
        commands,
        "plan",
        "Shows what a configuration would trade, and trades nothing: levels, margin, break-even, preflight, estimated "
        "liquidation, worst loss. Where a stack runs, its price, balance, leverage and fees are taken.",
        _plan,
    )
    plan.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: the one that is shipped")
    plan.add_argument("--symbol", type=arguments.symbol, metavar="SYMBOL", help="this one alone")
    plan.add_argument("--price", type=arguments.price, metavar="PRICE", help="as if it were first seen here")
    plan.add_argument("--json", action="store_true", help="one JSON object")
    _where(plan)


def _add_status(commands: Commands) -> None:
    status = _add(
        commands, "status", "Asks what runs, what each symbol does, and why one does not quote.", _status
    )
    _where(status)
    status.add_argument("--json", action="store_true", help="one JSON object")


def _add_tap(commands: Commands) -> None:
    tap = _add(
        commands,
        "tap",
        "Shows what goes over the bus. Subjects are kind.venue.symbol.detail: 'engine.>'.",
        _tap,
    )
    tap.add_argument("subject", help="such as 'engine.>' or 'market.sim.*.ticker'")
    tap.add_argument("--raw", action="store_true", help="the messages as they are: JSON")
    start = tap.add_mutually_exclusive_group()
    start.add_argument(
        "--since", type=arguments.duration, metavar="5m", help="begin so long ago, from what is stored"
    )
    start.add_argument("--last", action="store_true", help="begin with the last message of each subject")
    _where(tap)


def _add_control(commands: Commands) -> None:
    control = _add(commands, "control", "Gives the engine a command, and prints its answer.", _control)
    control_arguments.describe(control)
    _where(control)


def _add_bus(commands: Commands) -> None:
    bus = _add(commands, "bus", "Runs the embedded bus (nats-server with JetStream) in the foreground.", _bus)
    bus.add_argument("--data-dir", type=Path, metavar="DIR", help="default: data")
    bus.add_argument(
        "--port", type=arguments.port, default=BUS_PORT, help="default: %(default)s; 0: any free one"
    )
    bus.add_argument("--host", default="127.0.0.1", help="what to listen at (default: %(default)s)")


def _where(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--bus-url", metavar="URL", help="where the bus is (default: what `up` runs, or 4222)"
    )
    command.add_argument("--data-dir", type=Path, metavar="DIR", help="where `up` runs (default: data)")


def _up(options: argparse.Namespace) -> int:
    from cli.commands.up import UpOptions, up

    wanted = UpOptions(**{name: getattr(options, name) for name in UpOptions.__struct_fields__})
    return _run(lambda: up(wanted))


def _config_check(options: argparse.Namespace) -> int:
    from cli.commands.config import check

    return check(options.file)


def _key(options: argparse.Namespace) -> int:
    from cli.commands.key import make_key
    from liveserver.auth.roles import Role

    return make_key(options.name, Role(options.role))


def _plan(options: argparse.Namespace) -> int:
    from cli.commands.plan_command import PlanOptions, plan
    from cli.commands.status import running_url

    wanted = PlanOptions(
        file=options.file,
        symbol=options.symbol,
        price=options.price,
        as_json=options.json,
        bus_url=running_url(options.bus_url, options.data_dir),
    )
    return _ask(lambda: plan(wanted))


def _status(options: argparse.Namespace) -> int:
    from cli.commands.status import bus_url, status

    url = bus_url(options.bus_url, options.data_dir)
    return _ask(lambda: status(url, as_json=options.json))


def _tap(options: argparse.Namespace) -> int:
    from cli.commands.status import bus_url
    from cli.commands.tap import Tap, tap

    wanted = Tap(subject=options.subject, raw=options.raw, since=options.since, last=options.last)
    url = bus_url(options.bus_url, options.data_dir)
    return _ask(lambda: tap(url, wanted))


def _control(options: argparse.Namespace) -> int:
    from cli.commands.control import control
    from cli.commands.status import bus_url
    from schemas.units import SECOND_NS

    given = control_arguments.meant(options)
    url = bus_url(options.bus_url, options.data_dir)
    return _ask(lambda: control(url, given, options.timeout / SECOND_NS))


def _bus(options: argparse.Namespace) -> int:
    from cli.commands.entry_points import bus
    from cli.stack.data_dir import default_data_dir

    return _run(lambda: bus(options.data_dir or default_data_dir(), options.port, options.host))


def _ask(command: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command that only asks: its connection is nobody's business."""
    os.environ.setdefault("OPENSQT_LOG", "error")
    return _run(command)


def _run(command: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command on the event loop; 0 when a signal ended it."""
    from bus import run

    ended: list[int | CommandError] = []

    async def main() -> None:
        try:
            ended.append(await command())
        except CommandError as error:
            ended.append(error)

    code: int = run(main)
    match ended:
        case [CommandError() as error]:
            raise error
        case [int() as wanted]:
            return wanted
        case _:
            return code


if __name__ == "__main__":
    sys.exit(main())
