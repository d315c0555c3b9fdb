"""Pass the configuration's `http` section to live servers, through their environment."""

import ipaddress
import socket
from collections.abc import Mapping

from bus.peer import USERS_VARIABLE
from cli.config.file import Configuration
from cli.stack.ports import HOST
from liveserver.settings import Settings, to_environment


def live_server_environment(configuration: Configuration) -> dict[str, str]:
    """Return the environment variables that contain a live server's settings, secrets included."""
    http = configuration.http
    settings = Settings(
        http_host=http.host,
        http_port=Settings().http_port if http.port is None else http.port,
        allowed_origins=http.allowed_origins,
        limits=http.limits,
        access=http.access,
        symbols=frozenset(symbol for symbol, _ in http.symbols),
    )
    return to_environment(settings) | user_environment(configuration)


def user_environment(configuration: Configuration) -> dict[str, str]:
    """Return the environment variable by which a part admits the users in `http.allowed_users`; empty without any."""
    users = configuration.http.allowed_users
    return {USERS_VARIABLE: ",".join(users)} if users else {}


def secret_variables(configuration: Configuration, environment: Mapping[str, str]) -> set[str]:
    """Return the names of the variables that hold the secret of JWTs, which no part needs to inherit."""
    tokens = configuration.http.access.tokens
    secret = "" if tokens is None else tokens.secret.hidden
    return {name for name, value in environment.items() if secret and value == secret}


def page_host(configuration: Configuration) -> str:
    """Return the host name by which this machine reaches its own page: `0.0.0.0` becomes `127.0.0.1`."""
    host = configuration.http.host
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host
    if address.is_unspecified:
        return HOST
    return f"[{address}]" if address.version == 6 else str(address)


def lan_host(configuration: Configuration) -> str | None:
    """Return the address of this machine in its network if the page listens on all addresses; None if it is unknown."""
    try:
        address = ipaddress.ip_address(configuration.http.host.strip("[]"))
    except ValueError:
        return None
    if not address.is_unspecified:
        return None
    family, far = (socket.AF_INET6, "2001:db8::1") if address.version == 6 else (socket.AF_INET, "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((far, 9))  # sends nothing: it chooses the address of the default route
        except OSError:
            return None
        found = str(probe.getsockname()[0])
    return f"[{found}]" if address.version == 6 else found
