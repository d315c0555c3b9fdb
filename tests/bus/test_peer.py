"""The user at the other end of a connection."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bus import peer
from bus.peer import PeerCheck, UnknownUser, peer_uid
from tests.other_user import OTHER_UID, connect_as_other_user, needs_root

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
FAMILIES = [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")]


@contextmanager
def connection(
    host: str, target: str, *, is_other: bool = False
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a connection, the server's first."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, dualstack_ipv6=host == "::") as listener:
        port = listener.getsockname()[1]
        client = connect_as_other_user(target, port) if is_other else socket.create_connection((target, port))
        server, _ = listener.accept()
        with client, server:
            yield server, client


@needs_root
@pytest.mark.parametrize(("host", "target"), FAMILIES)
def test_the_user_of_a_peer_is_known(host: str, target: str) -> None:
    with connection(host, target, is_other=True) as (server, _):
        assert peer_uid(server) == OTHER_UID
    with connection(host, target) as (server, _):
        assert peer_uid(server) == os.geteuid()


@needs_root
@pytest.mark.parametrize(("host", "target"), FAMILIES)
def test_the_table_of_sockets_is_read_where_netlink_is_denied(
    host: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "has_netlink", lambda: False)
    with connection(host, target, is_other=True) as (server, client):
        assert peer_uid(server) == OTHER_UID
        client.close()
        assert peer_uid(server) is None


def test_a_socket_that_its_process_has_closed_belongs_to_nobody() -> None:
    with connection("127.0.0.1", "127.0.0.1") as (server, client):
        client.close()
        assert "cannot be determined" in str(PeerCheck().refusal(server))


@needs_root
def test_other_users_are_refused_unless_they_are_allowed() -> None:
    with connection("127.0.0.1", "127.0.0.1", is_other=True) as (server, _):
        assert "not for the user nobody" in str(PeerCheck().refusal(server))
        assert PeerCheck(["nobody"]).refusal(server) is None
        assert PeerCheck([str(OTHER_UID)]).refusal(server) is None


def test_the_own_user_may_connect() -> None:
    with connection("127.0.0.1", "127.0.0.1") as (server, _):
        assert PeerCheck().refusal(server) is None


def test_an_unknown_user_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSQT_ALLOWED_USERS", "root, no-such-user")
    with pytest.raises(UnknownUser, match="there is no user 'no-such-user'"):
        PeerCheck()
