"""The user at the other end of a TCP connection on this machine, asked of the Linux kernel.

A socket is found by its addresses, as the table of sockets shows it (`ss -e`, /proc/net/tcp):

    our socket    127.0.0.1:8080 -> 127.0.0.1:41234
    the peer's    127.0.0.1:41234 -> 127.0.0.1:8080    uid 1001, inode 88123

A socket without an inode was closed by its process: its uid is 0 then, so its owner is unknown.
"""

import ipaddress
import os
import pwd
import socket
import struct
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bus.errors import Permanent

USERS_VARIABLE = "OPENSQT_ALLOWED_USERS"
"""Environment variable with further users, by name or id, separated by commas."""

ALLOW_HINT = f"list further users in http.allowed_users of the configuration, or in {USERS_VARIABLE}"

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
MAX_REPLY_BYTES = 4096
ALL_STATES = 0xFFFFFFFF
HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
REQUEST = struct.Struct("=BBBBI")
"""struct inet_diag_req_v2 before the socket: family, protocol, extensions, padding, states."""
ADDRESSES = struct.Struct("=2s2s16s16s")
"""The beginning of struct inet_diag_sockid: ports and addresses in network byte order."""
ANY_INTERFACE_AND_COOKIE = struct.pack("=I8s", 0, b"\xff" * 8)
"""Its end."""
SOCKET_BYTES = ADDRESSES.size + len(ANY_INTERFACE_AND_COOKIE)
REPLY = struct.Struct(f"={HEADER.size}xBBBB{SOCKET_BYTES}sIIIII")
"""Header, then struct inet_diag_msg: family, state, timer, retransmissions, socket, expiry, queues, uid, inode."""
SYN_SENT = 2
"""State of a socket that is not connected, or not yet."""
LOOPBACK = "127.0.0.1"
PROC_NET = Path("/proc/net")
ROOT_UID, NO_INODE = 0, 0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class UnknownUser(ValueError, Permanent):
    """A user that is allowed does not exist on this machine."""


class PeerCheck:
    """Decides which users of this machine may connect over loopback: root, the own user, and those that are allowed.

    `allowed` are names or ids, None for those in the environment. Raises: UnknownUser.
    """

    def __init__(self, allowed: Iterable[str] | None = None) -> None:
        names = users_in(os.environ) if allowed is None else allowed
        self._allowed = frozenset({ROOT_UID, os.geteuid(), *map(uid_of, names)})

    def refusal(self, connection: Any) -> str | None:
        """Return why the peer of a connection must not use it, None if it may.

        `connection` is a socket, or a transport's view of it. Peers elsewhere are not checked: a server that listens on a
        network has authentication, or an operator said that it needs none. On Linux, a peer whose socket is not found is
        refused: it is gone. Other systems do not report the user, so no peer is refused.
        """
        who = self.stranger(connection)
        return who and f"this server is for the user who started it and for root, not for {who}"

    def stranger(self, connection: Any) -> str | None:
        """Return who the peer of a connection is, such as `the user mallory`; None if it is allowed, as in `refusal`."""
        if sys.platform != "linux" or not is_loopback_peer(connection):
            return None
        uid = peer_uid(connection)
        if uid in self._allowed:
            return None
        return "a user who cannot be determined" if uid is None else f"the user {user_name(uid)}"


def users_in(environment: Mapping[str, str]) -> list[str]:
    """Return the users that an environment allows."""
    return [each.strip() for each in environment.get(USERS_VARIABLE, "").split(",") if each.strip()]


def uid_of(user: str) -> int:
    """Return the id of a user who is named by name or id.

    Raises: UnknownUser.
    """
    if user.isdecimal():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise UnknownUser(
            f"there is no user {user!r} on this machine: mend http.allowed_users or {USERS_VARIABLE}"
        ) from None


def is_loopback_peer(connection: Any) -> bool:
    """Return whether the peer of a connected socket has a loopback address. A peer that is gone counts as one."""
    try:
        peer = connection.getpeername()
    except OSError:
        return True
    return _address(peer[0]).is_loopback


def peer_uid(connection: Any) -> int | None:
    """Return the id of the user who owns the peer's socket, on this machine and in this network namespace.

    None if there is no such socket, or the system is not Linux.
    """
    if sys.platform != "linux":
        return None
    try:
        own, peer = connection.getsockname(), connection.getpeername()
    except OSError:
        return None
    # The socket of an IPv4 client of an IPv6 server is an IPv4 one.
    pair = (_address(peer[0]), peer[1], _address(own[0]), own[1])
    return _uid_from_kernel(*pair) if has_netlink() else _uid_from_proc(*pair)


def listener(host: str, port: int) -> int | None:
    """Return the id of the user who listens on a port of an IP address, None if the port is free or the user unknown."""
    try:
        reply = _ask_kernel(_address(host), port, ipaddress.ip_address("0.0.0.0"), 0)
    except (OSError, ValueError):
        return None
    return None if reply is None else int(REPLY.unpack_from(reply)[8])


@cache
def has_netlink() -> bool:
    """Return whether the kernel answers: a container or a sandbox may deny it."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        own = ipaddress.ip_address(LOOPBACK), int(listener.getsockname()[1])
        try:
            return bool(_ask_kernel(*own, ipaddress.IPv4Address(0), 0))
        except OSError:
            return False


def user_name(uid: int) -> str:
    """Return the name of a user; the id if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _uid_from_kernel(source: Address, source_port: int, target: Address, target_port: int) -> int | None:
    try:
        reply = _ask_kernel(source, source_port, target, target_port)
    except OSError:
        return None
    if reply is None:
        return None
    _, state, _, _, found, _, _, _, uid, inode = REPLY.unpack_from(reply)
    # The kernel looks for a listening socket of the port if there is no such connection.
    is_peer = found[: ADDRESSES.size] == ADDRESSES.pack(
        source_port.to_bytes(2, "big"), target_port.to_bytes(2, "big"), source.packed, target.packed
    )
    return uid if is_peer and inode != NO_INODE and state != SYN_SENT else None


def _ask_kernel(source: Address, source_port: int, target: Address, target_port: int) -> bytes | None:
    """Return the reply of NETLINK_SOCK_DIAG about a socket, None if there is none. Raises: OSError."""
    family = socket.AF_INET if source.version == 4 else socket.AF_INET6
    ports = source_port.to_bytes(2, "big"), target_port.to_bytes(2, "big")
    wanted = ADDRESSES.pack(*ports, source.packed, target.packed) + ANY_INTERFACE_AND_COOKIE
    body = REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, ALL_STATES) + wanted
    request = HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as kernel:
        kernel.sendto(request, (0, 0))
        # A request for one socket is answered before `sendto` returns.
        reply = kernel.recv(MAX_REPLY_BYTES, socket.MSG_DONTWAIT)
    return reply if HEADER.unpack_from(reply)[1] == SOCK_DIAG_BY_FAMILY else None


def _uid_from_proc(source: Address, source_port: int, target: Address, target_port: int) -> int | None:
    """Read the table of sockets, where netlink is denied."""
    wanted = [_proc_text(source, source_port), _proc_text(target, target_port)]
    try:
        table = (PROC_NET / ("tcp" if source.version == 4 else "tcp6")).read_text(encoding="ascii")
    except OSError:
        return None
    rows = (line.split() for line in table.splitlines()[1:])
    found = next((row for row in rows if row[1:3] == wanted), None)
    is_owned = found is not None and int(found[9]) != NO_INODE and int(found[3], 16) != SYN_SENT
    return int(found[7]) if found is not None and is_owned else None


def _proc_text(address: Address, port: int) -> str:
    """Return an address as in /proc/net/tcp: `0100007F:1F90`, words of 32 bits in the byte order of the machine."""
    words = struct.unpack(f"={len(address.packed) // 4}I", address.packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def _address(text: str) -> Address:
    """Return an address; an IPv4 address that is mapped to IPv6 as IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
