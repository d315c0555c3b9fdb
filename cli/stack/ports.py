"""Choosing the ports to listen at, before anything is started."""

import socket
from typing import NamedTuple

from cli.errors import CommandError

HOST = "127.0.0.1"
_FARTHEST = 200
"""How far above a taken default a free port is looked for."""
_HIGHEST = 65535


class Chosen(NamedTuple):
    """A port to listen at, the first of a row. `is_default` is false when the usual one was taken."""

    port: int
    is_default: bool = True


def choose(option: str, asked: int | None, default: int, count: int = 1) -> Chosen:
    """Return the first of `count` free ports in a row; `asked` 0 means any, None the default or one above it.

    Raises: CommandError naming `option` when a port that was asked for is taken.
    """
    if asked is None:
        ports = range(default, min(default + _FARTHEST, _HIGHEST - count))
        free = next((port for port in ports if _are_free(port, count)), None)
        return Chosen(free if free is not None else any_free(count), free == default)
    if asked == 0:
        return Chosen(any_free(count))
    for port in range(asked, asked + count):
        if not is_free(port):
            raise CommandError(f"port {port} is taken: choose another with {option}, or 0 for any free one")
    return Chosen(asked)


def any_free(count: int = 1) -> int:
    """Return the first of `count` ports in a row that nobody listens at."""
    for _ in range(_FARTHEST):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if _are_free(port, count):
            return port
    raise CommandError(f"no {count} free ports in a row on this machine")


def is_free(port: int) -> bool:
    """Tell whether a port of this machine can be listened at."""
    if not 0 < port <= _HIGHEST:
        return False
    with socket.socket() as probe:
        # As servers do it: connections that ended a moment ago do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _are_free(first: int, count: int) -> bool:
    return all(is_free(port) for port in range(first, first + count))
