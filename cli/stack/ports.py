"""Choose the TCP ports to listen on before any process is started."""

import socket
from typing import NamedTuple

from cli.errors import CommandError

HOST = "127.0.0.1"
_SEARCH_RANGE = 200
"""Ports tried from a default on; also the number of attempts to find free consecutive ports elsewhere."""
_MAX_PORT = 65535


class ChosenPort(NamedTuple):
    """The first of one or more consecutive ports; `is_default` is False if the default was in use."""

    port: int
    is_default: bool = True


def choose(option: str, requested: int | None, default: int, count: int = 1) -> ChosenPort:
    """Return the first of `count` consecutive free ports.

    `requested` None means the default, else a free port above it, else any; 0 means any free port.
    Raises: CommandError, which names `option`, when a requested port is in use; or when there are no such ports.
    """
    if requested is None:
        candidates = range(default, min(default + _SEARCH_RANGE, _MAX_PORT - count))
        free = next((port for port in candidates if _are_free(port, count)), None)
        if free is None:
            return ChosenPort(find_free_port(count), is_default=False)
        return ChosenPort(free, is_default=free == default)
    if requested == 0:
        return ChosenPort(find_free_port(count))
    for port in range(requested, requested + count):
        if not is_free(port):
            raise CommandError(f"port {port} is in use: choose another with {option}, or 0 for any free port")
    return ChosenPort(requested)


def find_free_port(count: int = 1) -> int:
    """Return the first of `count` consecutive free ports.

    Raises: CommandError when there are none.
    """
    for _ in range(_SEARCH_RANGE):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if _are_free(port, count):
            return port
    raise CommandError(f"this machine has no {count} consecutive free ports")


def is_free(port: int) -> bool:
    """Return whether a port of `HOST` can be listened on."""
    if not 0 < port <= _MAX_PORT:
        return False
    with socket.socket() as probe:
        # As servers do: connections in TIME_WAIT do not occupy a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _are_free(first: int, count: int) -> bool:
    return all(is_free(port) for port in range(first, first + count))
