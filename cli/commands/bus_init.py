"""`opensqt bus init`: write users, keys, certificates and server configuration of a secured bus."""

import argparse
import datetime
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from bus.errors import BusError
from bus.secure.directory import (
    DEFAULT_PORT,
    RENEW_BEFORE_DAYS,
    SETTINGS_FILE,
    Settings,
    Written,
    read_settings,
    write_directory,
)
from bus.secure.server_config import MONITORING_PORT_OFFSET, Server
from bus.service.embedded_server import find_nats_server
from cli.errors import CommandError
from cli.program import program
from schemas.units import VenueId

OPTIONS = ("server", "venue", "no_tls", "rotate", "renew", "store")
DEFAULT_NAME, DEFAULT_HOST = "bus", "127.0.0.1"
MAX_PORT = 65535 - MONITORING_PORT_OFFSET
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of `bus init` alone."""
    group = parser.add_argument_group("init", "What is not given stays as it was at the previous run.")
    group.add_argument(
        "--server",
        action="append",
        metavar="NAME=HOST:PORT",
        help=f"a server, as clients reach it; one or three times (default: {DEFAULT_NAME}={DEFAULT_HOST}:{DEFAULT_PORT}). "
        "Servers reach each other on PORT + 2000",
    )
    group.add_argument(
        "--venue",
        action="append",
        metavar="NAME",
        help="a venue, whose publishers and gateway get users that can write for this venue alone; repeat it "
        "(default: users that can write for all venues)",
    )
    group.add_argument("--no-tls", action="store_true", help="no encryption: for a bus on loopback alone")
    group.add_argument("--rotate", action="append", metavar="USER", help="make a new key for this user")
    group.add_argument("--renew", action="store_true", help="make new server certificates")
    group.add_argument(
        "--store",
        metavar="DIR",
        help="directory of the streams; relative to the folder of the server (store)",
    )


def run(options: argparse.Namespace) -> int:
    """Write the directory, and print what was made and the commands that come next.

    Raises: CommandError.
    """
    root: Path = options.directory
    try:
        known = read_settings(root)
        if known is None and root.is_dir() and any(root.iterdir()) and not options.force:
            raise CommandError(
                f"{root} has other files and no {SETTINGS_FILE}: name an empty directory, or add --force"
            )
        settings, rotated = _settings(options, known), list(options.rotate or ())
        written = write_directory(
            root,
            settings,
            rotate=rotated,
            is_renewing=options.renew,
            now=datetime.datetime.now(datetime.UTC),
        )
    except BusError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{root} cannot be written: {error}") from error
    print(report(root, settings, written, is_new=known is None, rotated=rotated))
    return 0


def _settings(options: argparse.Namespace, known: Settings | None) -> Settings:
    hosts = tuple(options.host or ()) or (known.hosts if known else ())
    if options.server:
        servers = tuple(parse_server(each) for each in options.server)
    elif known is not None:
        servers = known.servers
    else:
        servers = (Server(DEFAULT_NAME, hosts[0] if hosts else DEFAULT_HOST, DEFAULT_PORT),)
    venues = known.venues if known else Settings(servers=servers).venues
    if options.venue:
        named = [each for each in venues if each != "*"]
        venues = tuple(dict.fromkeys([*named, *(VenueId(each) for each in options.venue)]))
    return Settings(
        servers=servers,
        hosts=hosts,
        venues=venues,
        tls=not options.no_tls and (known is None or known.tls or bool(options.server)),
        store=options.store or (known.store if known else "store"),
    )


def parse_server(text: str) -> Server:
    """Return the server of `NAME=HOST:PORT`; the port may be omitted, an IPv6 address stands in brackets.

    Raises: CommandError.
    """
    name, _, address = text.partition("=")
    host, colon, port = address.rpartition(":") if not address.endswith("]") else (address, "", "")
    if not colon:
        host, port = address, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    is_valid = bool(_NAME.fullmatch(name)) and bool(host) and port.isdecimal()
    if not is_valid or not 0 < int(port) <= MAX_PORT:
        raise CommandError(
            f"--server {text!r} has to be NAME=HOST:PORT, such as bus-1=bus-1.example.org:4222, with a port up to {MAX_PORT}"
        )
    return Server(name, host, int(port))


def report(root: Path, settings: Settings, written: Written, *, is_new: bool, rotated: Sequence[str]) -> str:
    """Return what was made, and the commands to paste next."""
    lines = [_summary(root, settings, written, is_new=is_new)]
    lines += _expiry(root, written)
    if is_new:
        lines += ["", *_next(root, settings)]
    elif any("accounts.conf" in each for each in written.files):
        lines.append("load the users into each server: nats-server --signal reload, or kill -HUP its process")
        if has_new_users(written, rotated):
            lines.append("reload twice: nats-server connects the accounts of new users at the second reload")
    lines += [
        f"restart what connects as {each}: it needs its new key, contexts/{each}.nk" for each in rotated
    ]
    return "\n".join(lines)


def has_new_users(written: Written, rotated: Sequence[str]) -> bool:
    """Return whether there are users that the servers do not know yet."""
    keys = {
        each.removeprefix("contexts/").removesuffix(".nk") for each in written.files if each.endswith(".nk")
    }
    return not keys <= set(rotated)


def _summary(root: Path, settings: Settings, written: Written, *, is_new: bool) -> str:
    if not written.files:
        return f"{root}: nothing to change"
    users = ", ".join(user.name for user in written.users)
    if is_new:
        count = len(settings.servers)
        return (
            f"{root}: a bus with {count} server{'s' if count > 1 else ''} "
            f"({', '.join(each.name for each in settings.servers)})\nusers: {users}"
        )
    return "\n".join([f"{root}: changed", *(f"  {each}" for each in written.files)])


def _expiry(root: Path, written: Written) -> list[str]:
    lines = []
    now = datetime.datetime.now(datetime.UTC)
    for name, expires in written.expires.items():
        days = (expires - now).days
        what = "the certificate authority" if name == "ca" else f"the certificate of {name}"
        remedy = ""
        if days < RENEW_BEFORE_DAYS:
            remedy = ": make a new bus directory" if name == "ca" else f": {_init(root)} --renew"
        lines.append(f"{what} expires on {expires:%Y-%m-%d}, in {days} days{remedy}")
    return lines


def _next(root: Path, settings: Settings) -> list[str]:
    contexts = shlex.quote(str(root / "contexts"))
    nats_server = "nats-server" if shutil.which("nats-server") else find_nats_server()
    start = [
        f"  (cd {shlex.quote(str(root / 'servers' / each.name))} && {nats_server} -c server.conf)"
        for each in settings.servers
    ]
    return [
        "start each server with its folder, on its host:" if len(start) > 1 else "start the server:",
        *start,
        "create streams and register symbols:",
        f"  {program()} apply FILE --bus-context {contexts}/admin.json",
        "start a part, each with its own context:",
        f"  {program()} engine --bus-context {contexts}/engine.json",
        "see what runs, send commands:",
        f"  {program()} status --bus-context {contexts}/operator.json",
        "look with the nats tool, which takes the paths in a context from where it runs:",
        f"  (cd {contexts} && nats --context reader.json sub 'engine.>')",
    ]


def _init(root: Path) -> str:
    return f"{program()} bus init {shlex.quote(str(root))}"
