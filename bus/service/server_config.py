"""The configuration file of an embedded nats-server."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from bus.errors import InvalidContext
from bus.private_files import write_private
from bus.secure.keys import new_seed, public_key

MEBIBYTE = 1024 * 1024
DEFAULT_MEMORY_BYTES = 512 * MEBIBYTE
MIN_MEMORY_BYTES = 384 * MEBIBYTE
"""More than the size of MARKET, the largest stream in memory."""
MEMORY_STREAMS_BYTES = 1024 * MEBIBYTE
"""What memory streams may reserve, not what they use: several processes that create MARKET at once reserve its size each."""
DEFAULT_STORE_BYTES = 20 * 1024 * MEBIBYTE
ROUTE_USER = "route"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster configuration of one server."""

    name: str
    """The server's name, unique in the cluster; `StreamState.leader` refers to it."""
    port: int
    """The port for connections from the other servers."""
    others: tuple[int, ...]
    """The ports of the other servers, on the same host."""
    password: str = field(repr=False)
    """What the servers demand of each other, whatever clients need."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What clients need: an NKey, or user and password. A password is sent to any process on the port."""

    user: str = ""
    password: str = field(default="", repr=False)
    seed_file: Path | None = None
    """The seed of the NKey."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits of one server, in bytes."""

    memory: int = DEFAULT_MEMORY_BYTES
    """Of the process, at least `MIN_MEMORY_BYTES`: soft, by GOMEMLIMIT."""
    store: int = DEFAULT_STORE_BYTES
    """Of all file streams together: when it is reached, they reject messages."""


def nkey_credentials(seed_file: Path) -> Credentials:
    """Return the NKey in a file, a new one if there is no file.

    Raises: InvalidContext when the file is damaged, OSError.
    """
    if not seed_file.exists():
        seed_file.parent.mkdir(parents=True, exist_ok=True)
        write_private(seed_file, new_seed() + b"\n")
    _public_key(seed_file)
    return Credentials(seed_file=seed_file.absolute())


def new_password() -> str:
    """Return a random password."""
    return secrets.token_urlsafe(32)


def _public_key(seed_file: Path) -> str:
    try:
        return public_key(seed_file.read_bytes())
    except InvalidContext as error:
        raise InvalidContext(f"{seed_file} is {error}") from error


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
    """Return the configuration as text, passwords included. `listen` is `HOST:PORT`; port -1 takes a free one."""
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
{"" if cluster is None else _cluster(cluster, host)}"""


def _cluster(cluster: Cluster, host: str) -> str:
    login = f"{ROUTE_USER}:{cluster.password}"
    routes = ", ".join(f'"nats://{login}@{host}:{port}"' for port in cluster.others)
    return f"""cluster {{
  name: opensqt
  listen: "{host}:{cluster.port}"
  {_authorization(Credentials(ROUTE_USER, cluster.password))}  routes: [{routes}]
}}
"""


def _authorization(credentials: Credentials | None) -> str:
    if credentials is None:
        return ""
    if credentials.seed_file is not None:
        return f"authorization {{ users: [{{ nkey: {_public_key(credentials.seed_file)} }}] }}\n"
    # The password is not hashed: the context has it in clear text too, and bcrypt would cost 50 ms a connection.
    return f"authorization {{ user: {json.dumps(credentials.user)}, password: {json.dumps(credentials.password)} }}\n"


def _text(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)
