"""Render the configuration of nats-server: one file for each server, and one with the accounts for all of them.

Paths in it are relative to the working directory of the server, which is the folder of the files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from bus.secure.accounts import READ, SYSTEM, TRADE, Account, Export, Import, User, exports

ACCOUNTS_FILE = "accounts.conf"
CERTIFICATE_FILE, KEY_FILE, AUTHORITY_FILE = "server.pem", "server.key", "ca.pem"
MEBIBYTE = 1024 * 1024
MEMORY_BYTES = 1024 * MEBIBYTE
"""Memory for streams on each server; MARKET reserves its size of 256 MiB."""
STORE_BYTES = 50 * 1024 * MEBIBYTE
"""Disk space for streams on each server."""
READ_SHARE = 5
"""READ may use one part in so many of memory and store."""
MAX_PAYLOAD_BYTES = MEBIBYTE
WRITE_DEADLINE = "5s"
"""A client that does not receive for this long is disconnected."""
ROUTE_PORT_OFFSET = 2000
"""Servers reach each other on the port for clients plus this: 6222 for 4222."""
MONITORING_PORT_OFFSET = 4000
RESPONSE_THRESHOLD = "30s"
"""How long the server expects further replies to a request of another account; an entry is kept in memory meanwhile."""
RESPONSE_LIMITS = '{ max: 1, expires: "30s" }'


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the bus, as its clients and the other servers reach it."""

    name: str
    host: str
    port: int

    @property
    def route_port(self) -> int:
        return self.port + ROUTE_PORT_OFFSET

    @property
    def monitoring_port(self) -> int:
        return self.port + MONITORING_PORT_OFFSET

    @property
    def listen_host(self) -> str:
        """The address to listen on: loopback if it is reached there, otherwise all addresses."""
        return "127.0.0.1" if is_loopback(self.host) else "0.0.0.0"

    def address(self, port: int) -> str:
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def render_server(server: Server, servers: Sequence[Server], store: str, *, has_tls: bool) -> str:
    """Return the configuration of one server of a bus."""
    lines = [
        "# Written by `opensqt bus init`. Start it in this folder: nats-server -c server.conf",
        f"server_name: {_text(server.name)}",
        f"listen: {_text(f'{server.listen_host}:{server.port}')}",
        f"http: {_text(f'127.0.0.1:{server.monitoring_port}')}",
        f"max_payload: {MAX_PAYLOAD_BYTES}",
        f"write_deadline: {_text(WRITE_DEADLINE)}",
        "jetstream {",
        f"  store_dir: {_text(store)}",
        f"  max_mem: {MEMORY_BYTES}",
        f"  max_file: {STORE_BYTES}",
        "  # Acknowledged writes survive a power failure.",
        "  sync_interval: always",
        "}",
        *(_tls() if has_tls else ()),
        *(_cluster(server, servers, has_tls=has_tls) if len(servers) > 1 else ()),
        f"include {_text(ACCOUNTS_FILE)}",
    ]
    return "\n".join(lines) + "\n"


def _tls(*, is_route: bool = False) -> list[str]:
    indent = "  " if is_route else ""
    lines = [
        "tls {",
        f"  cert_file: {_text(CERTIFICATE_FILE)}",
        f"  key_file: {_text(KEY_FILE)}",
        *([f"  ca_file: {_text(AUTHORITY_FILE)}", "  verify: true"] if is_route else []),
        '  min_version: "1.3"',
        "  timeout: 5",
        "}",
    ]
    return [indent + line for line in lines]


def _cluster(server: Server, servers: Sequence[Server], *, has_tls: bool) -> list[str]:
    routes = [f"nats-route://{each.address(each.route_port)}" for each in servers if each != server]
    return [
        "cluster {",
        "  name: opensqt",
        f"  listen: {_text(f'{server.listen_host}:{server.route_port}')}",
        "  # Clients know all servers from their context, by names that the certificates are valid for.",
        "  no_advertise: true",
        f"  routes: [{', '.join(_text(each) for each in routes)}]",
        *(_tls(is_route=True) if has_tls else ()),
        "}",
    ]


def render_accounts(accounts: Sequence[Account], public_keys: Mapping[str, str], server_count: int) -> str:
    """Return the accounts as configuration; `public_keys` are those of the users by name."""
    exported = exports(accounts)
    lines = [
        "# Written by `opensqt bus init`. Users, and what each may do: docs/permissions.md",
        f"system_account: {SYSTEM}",
        "accounts {",
    ]
    for account in accounts:
        lines.append(f"  {_text(account.name)}: {{")
        if account.has_streams:
            lines += [f"    jetstream: {_limits(account.name, server_count)}"]
        lines += ["    users: [", *(_user(each, public_keys[each.name]) for each in account.users), "    ]"]
        lines += _list("exports", [_export(each) for each in exported.get(account.name, ())])
        lines += _list("imports", [_import(each) for each in account.imports])
        lines.append("  }")
    return "\n".join([*lines, "}"]) + "\n"


def _limits(account: str, server_count: int) -> str:
    # In a cluster the server counts each replica.
    memory, store = MEMORY_BYTES * server_count, STORE_BYTES * server_count
    share = {TRADE: READ_SHARE - 1, READ: 1}[account]
    limits = f"max_mem: {memory // READ_SHARE * share}, max_file: {store // READ_SHARE * share}"
    return f"{{ {limits} }}"


def _user(user: User, public_key: str) -> str:
    publish = {"allow": user.publish, "deny": user.denied or None}
    permissions = []
    if any(each is not None for each in publish.values()):
        rules = ", ".join(f"{key}: {_texts(each)}" for key, each in publish.items() if each is not None)
        permissions.append(f"publish: {{ {rules} }}")
    if user.subscribe is not None:
        permissions.append(f"subscribe: {{ allow: {_texts(user.subscribe)} }}")
    if user.may_respond:
        permissions.append(f"allow_responses: {RESPONSE_LIMITS}")
    rights = f", permissions: {{ {', '.join(permissions)} }}" if permissions else ""
    return f"      # {user.name}: {user.description}\n      {{ nkey: {public_key}{rights} }}"


def _export(export: Export) -> str:
    many = f", response: stream, threshold: {_text(RESPONSE_THRESHOLD)}" if export.has_many_replies else ""
    return f"{{ {export.kind}: {_text(export.subject)}{many}, accounts: {_texts(export.accounts)} }}"


def _import(each: Import) -> str:
    to = f", to: {_text(each.to)}" if each.to else ""
    return f"{{ {each.kind}: {{ account: {_text(each.account)}, subject: {_text(each.subject)} }}{to} }}"


def _list(name: str, entries: Sequence[str]) -> list[str]:
    return [f"    {name}: [", *(f"      {each}" for each in entries), "    ]"] if entries else []


def _texts(values: Sequence[str]) -> str:
    return f"[{', '.join(_text(each) for each in values)}]"


def _text(value: str) -> str:
    return json.dumps(value)
