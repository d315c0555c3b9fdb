"""Another user of this machine, for tests of what such a user may do. Only root can become one."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

OTHER_UID = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can connect as another user")


@contextmanager
def other_user() -> Iterator[None]:
    """Act as another user: of the sockets and files that are opened."""
    os.seteuid(OTHER_UID)
    try:
        yield
    finally:
        os.seteuid(0)


def connect_as_other_user(host: str, port: int) -> socket.socket:
    """Return a connection whose socket belongs to another user."""
    with other_user():
        return socket.create_connection((host, port), timeout=5)


def exchange(connection: socket.socket, request: bytes) -> bytes:
    """Send a request and return all that is answered until the connection is closed."""
    with connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer
