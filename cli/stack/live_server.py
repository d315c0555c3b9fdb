"""What the configuration says of the live servers, handed over to their processes."""

import ipaddress
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from cli.config.file import Configuration, load
from cli.errors import CommandError
from cli.stack.ports import HOST
from liveserver.settings import Settings, handed_over

OPTION = "--config"


def live_server_environment(configuration: Configuration) -> dict[str, str]:
    """Return what a live server finds its settings in, secrets included."""
    http = configuration.http
    settings = Settings(
        http_host=http.host,
        http_port=Settings().http_port if http.port is None else http.port,
        allowed_origins=http.allowed_origins,
        limits=http.limits,
        access=http.access,
    )
    return handed_over(settings)


def page_host(configuration: Configuration) -> str:
    """Return the host that this machine reaches its own page at."""
    host = configuration.http.host
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host
    if address.is_unspecified:
        return HOST
    return f"[{address}]" if address.version == 6 else str(address)


def configured(arguments: Sequence[str], environment: MutableMapping[str, str]) -> list[str]:
    """Return a live server's command line without `--config FILE`, which goes into the environment.

    Raises: CommandError.
    """
    rest = list(arguments)
    for i, argument in enumerate(rest):
        name, is_joined, value = argument.partition("=")
        if name != OPTION:
            continue
        if not is_joined and i + 1 == len(rest):
            raise CommandError(f"{OPTION} needs a file")
        path = value if is_joined else rest[i + 1]
        environment.update(live_server_environment(load(Path(path))))
        return rest[:i] + rest[i + (1 if is_joined else 2) :]
    return rest
