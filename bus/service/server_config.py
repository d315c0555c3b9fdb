"""The configuration file of an embedded nats-server."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

MEBIBYTE = 1024 * 1024
DEFAULT_MEMORY_BYTES = 512 * MEBIBYTE
MIN_MEMORY_BYTES = 384 * MEBIBYTE
"""More than the size of MARKET, the largest stream in memory."""
MEMORY_STREAMS_BYTES = 1024 * MEBIBYTE
"""What memory streams may reserve, not what they use: several processes that create MARKET at once reserve its size each."""
DEFAULT_STORE_BYTES = 20 * 1024 * MEBIBYTE
USER = "opensqt"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster configuration of one server."""

    name: str
    """The server's name, unique in the cluster; `StreamState.leader` refers to it."""
    port: int
    """The port for connections from the other servers."""
    others: tuple[int, ...]
    """The ports of the other servers, on the same host."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and password that clients need, and the servers of a cluster among themselves."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits of one server, in bytes."""

    memory: int = DEFAULT_MEMORY_BYTES
    """Of the process, at least `MIN_MEMORY_BYTES`: soft, by GOMEMLIMIT."""
    store: int = DEFAULT_STORE_BYTES
    """Of all file streams together: when it is reached, they reject messages."""


def new_credentials() -> Credentials:
    """Return credentials with a random password."""
    return Credentials(USER, secrets.token_urlsafe(32))


def configuration(
    *,
    name: str,
    listen: str,
    folder: Path,
    log_file: Path,
    limits: ServerLimits,
    sync_interval: str,
    cluster: Cluster | None,
    credentials: Credentials | None,
) -> str:
    """Return the configuration as text, password included. `listen` is `HOST:PORT`; port -1 takes a free one."""
    # The password is not hashed: the context beside it has it in clear text too, and bcrypt would cost 50 ms a connection.
    authorization = _authorization(credentials)
    host = listen.rpartition(":")[0]
    return f"""server_name: {name}
listen: "{listen}"
ports_file_dir: {_text(folder)}
log_file: {_text(log_file)}
logfile_size_limit: {20 * MEBIBYTE}
logfile_max_num: 3
{authorization}jetstream {{
  store_dir: {_text(folder)}
  max_mem: {MEMORY_STREAMS_BYTES}
  max_file: {limits.store}
  sync_interval: {sync_interval}
}}
{"" if cluster is None else _cluster(cluster, host, credentials)}"""


def _cluster(cluster: Cluster, host: str, credentials: Credentials | None) -> str:
    login = "" if credentials is None else f"{credentials.user}:{credentials.password}@"
    routes = ", ".join(f'"nats://{login}{host}:{port}"' for port in cluster.others)
    return f"""cluster {{
  name: opensqt
  listen: "{host}:{cluster.port}"
  {_authorization(credentials)}  routes: [{routes}]
}}
"""


def _authorization(credentials: Credentials | None) -> str:
    if credentials is None:
        return ""
    return f"authorization {{ user: {json.dumps(credentials.user)}, password: {json.dumps(credentials.password)} }}\n"


def _text(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)
