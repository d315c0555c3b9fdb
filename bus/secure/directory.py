"""The directory of a secured bus: keys, certificates, contexts of users, configuration of servers.

    bus.json                          servers, names and venues, as given
    ca/ca.pem  ca/ca.key              the certificate authority; the key may be kept elsewhere
    contexts/USER.json  USER.nk       context and seed of each user, and ca.pem
    servers/NAME/server.conf  ...     all that one server needs: accounts.conf, server.pem, server.key, ca.pem

Paths in the files are relative: the directory, or a folder of it, can be moved. Writing is idempotent: existing keys and
certificates are kept.
"""

import datetime
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bus.client.context import BusContext
from bus.errors import BusError, InvalidContext, Permanent
from bus.secure.accounts import Account, User
from bus.secure.certificates import Certificate, new_authority, new_server_certificate
from bus.secure.keys import new_seed, public_key
from bus.secure.layout import ALL_VENUES, build_accounts
from bus.secure.server_config import (
    ACCOUNTS_FILE,
    AUTHORITY_FILE,
    CERTIFICATE_FILE,
    KEY_FILE,
    Server,
    is_loopback,
    render_accounts,
    render_server,
)
from schemas.codec import INVALID_JSON
from schemas.units import VenueId

SETTINGS_FILE = "bus.json"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""Each server's certificate is also valid for these."""
RENEW_BEFORE_DAYS = 30
DEFAULT_PORT = 4222


class DirectoryInvalid(BusError, Permanent):
    """The directory, or a setting of it, cannot be used."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the directory was made for."""

    servers: tuple[Server, ...]
    hosts: tuple[str, ...] = ()
    """Further names and addresses that the certificates are valid for."""
    venues: tuple[VenueId, ...] = (ALL_VENUES,)
    tls: bool = True
    store: str = "store"
    """Directory of the streams, relative to the folder of each server."""

    @property
    def url(self) -> str:
        scheme = "tls" if self.tls else "nats"
        return ",".join(f"{scheme}://{each.address(each.port)}" for each in self.servers)


@dataclass(slots=True)
class Written:
    """What was changed, as relative paths, and when the certificates expire."""

    files: list[str] = field(default_factory=list)
    users: tuple[User, ...] = ()
    expires: dict[str, datetime.datetime] = field(default_factory=dict)
    """Expiry of the certificates by server, and of the authority as `ca`."""


def read_settings(root: Path) -> Settings | None:
    """Return the settings of a directory; None if it has none yet.

    Raises: DirectoryInvalid.
    """
    file = root / SETTINGS_FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Settings)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DirectoryInvalid(f"{file} cannot be read: {error.strerror}") from error
    except INVALID_JSON as error:
        raise DirectoryInvalid(f"{file} is invalid: {error}") from error


def write_directory(
    root: Path,
    settings: Settings,
    *,
    rotate: Iterable[str] = (),
    is_renewing: bool = False,
    now: datetime.datetime,
) -> Written:
    """Write what is missing or differs; existing keys and valid certificates are kept.

    `rotate` names users that get new keys; `is_renewing` makes new server certificates.
    Raises: DirectoryInvalid, OSError.
    """
    accounts = _checked(settings)
    users = tuple(user for account in accounts for user in account.users)
    if unknown := set(rotate) - {user.name for user in users}:
        names = ", ".join(user.name for user in users)
        raise DirectoryInvalid(f"no user {', '.join(sorted(unknown))}: the users are {names}")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.chmod(0o700)
    writer = _Writer(root)
    writer.write(SETTINGS_FILE, msgspec.json.format(msgspec.json.encode(settings)) + b"\n")
    public_keys = {user.name: _key(writer, user, is_new=user.name in rotate) for user in users}
    authority = _authority(writer, now) if settings.tls else None
    for user in users:
        _write_context(writer, settings, user)
    _write_servers(writer, settings, accounts, public_keys)
    written = writer.written
    written.users = users
    if authority is not None:
        writer.write(f"contexts/{AUTHORITY_FILE}", authority.certificate)
        written.expires["ca"] = authority.expires
        for server in settings.servers:
            certificate = _certificate(writer, settings, server, authority, now, is_renewing=is_renewing)
            written.expires[server.name] = certificate.expires
    return written


def _checked(settings: Settings) -> tuple[Account, ...]:
    if len(settings.servers) not in {1, 3, 5}:
        raise DirectoryInvalid(
            f"{len(settings.servers)} servers: use one, or three (five), so that a majority survives the loss of one"
        )
    if len({each.name for each in settings.servers}) < len(settings.servers):
        raise DirectoryInvalid("two servers have the same name")
    for host in (*(each.host for each in settings.servers), *settings.hosts):
        if not settings.tls and not is_loopback(host):
            raise DirectoryInvalid(f"without TLS the bus can only be on this machine, not on {host}")
    try:
        return build_accounts(settings.venues)
    except ValueError as error:
        raise DirectoryInvalid(str(error)) from error


def _key(writer: "_Writer", user: User, *, is_new: bool) -> str:
    name = f"contexts/{user.name}.nk"
    seed = None if is_new else writer.read(name)
    if seed is None:
        seed = new_seed() + b"\n"
        writer.write(name, seed)
    try:
        return public_key(seed)
    except InvalidContext as error:
        raise DirectoryInvalid(
            f"{writer.root / name}: {error}; --rotate {user.name} makes a new one"
        ) from error


def _authority(writer: "_Writer", now: datetime.datetime) -> Certificate:
    certificate, key = writer.read("ca/ca.pem"), writer.read("ca/ca.key")
    if certificate is None:
        authority = new_authority(now)
        writer.write("ca/ca.pem", authority.certificate)
        writer.write("ca/ca.key", authority.key)
        return authority
    return Certificate(certificate, key or b"")


def _certificate(
    writer: "_Writer",
    settings: Settings,
    server: Server,
    authority: Certificate,
    now: datetime.datetime,
    *,
    is_renewing: bool,
) -> Certificate:
    folder = f"servers/{server.name}"
    names = tuple(dict.fromkeys([server.host, server.name, *settings.hosts, *LOCAL_NAMES]))
    certificate, key = writer.read(f"{folder}/{CERTIFICATE_FILE}"), writer.read(f"{folder}/{KEY_FILE}")
    writer.write(f"{folder}/{AUTHORITY_FILE}", authority.certificate)
    if certificate is not None and key is not None and not is_renewing:
        found = Certificate(certificate, key)
        if found.names == set(names) and found.is_issued_by(authority):
            return found
    if not authority.key:
        raise DirectoryInvalid(
            f"the certificate of {server.name} has to be made: put ca.key back into {writer.root / 'ca'} for that"
        )
    made = new_server_certificate(authority, server.name, names, now)
    writer.write(f"{folder}/{CERTIFICATE_FILE}", made.certificate)
    writer.write(f"{folder}/{KEY_FILE}", made.key)
    return made


def _write_context(writer: "_Writer", settings: Settings, user: User) -> None:
    context = BusContext(
        description=f"OpenSQT: {user.description}",
        url=settings.url,
        nkey=f"{user.name}.nk",
        ca=AUTHORITY_FILE if settings.tls else "",
        inbox_prefix=user.inbox_prefix,
        jetstream_api_prefix=user.api_prefix,
    )
    writer.write(f"contexts/{user.name}.json", msgspec.json.format(msgspec.json.encode(context)) + b"\n")


def _write_servers(
    writer: "_Writer", settings: Settings, accounts: Sequence[Account], public_keys: Mapping[str, str]
) -> None:
    users = render_accounts(accounts, public_keys, len(settings.servers)).encode()
    for server in settings.servers:
        text = render_server(server, settings.servers, settings.store, has_tls=settings.tls)
        writer.write(f"servers/{server.name}/server.conf", text.encode())
        writer.write(f"servers/{server.name}/{ACCOUNTS_FILE}", users)


class _Writer:
    """Writes files that only their owner can read, atomically, and only if they differ."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.written = Written()

    def read(self, name: str) -> bytes | None:
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        if self.read(name) == data:
            return
        path = self.root / name
        for folder in reversed(path.relative_to(self.root).parents[:-1]):
            (self.root / folder).mkdir(mode=0o700, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
        self.written.files.append(name)
