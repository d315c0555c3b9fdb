"""How to reach the bus: a NATS context, in the format of the `nats` command line tool.

A context file is JSON, for example:

    {"url": "tls://bus:4222", "nkey": "engine.nk", "ca": "ca.pem", "inbox_prefix": "_INBOX_engine"}

Paths in it are relative to the file.
"""

import os
import shlex
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bus.errors import InvalidContext
from bus.peer import PeerCheck, UnknownUser
from bus.private_files import write_private
from schemas.codec import INVALID_JSON

DEFAULT_URL = "nats://127.0.0.1:4222"
DEFAULT_API_PREFIX = "$JS.API"
URL_VARIABLE = "OPENSQT_BUS_URL"
CONTEXT_VARIABLE = "OPENSQT_BUS_CONTEXT"
"""Environment variables with the URL of the bus, and with the path of a context file."""

PATHS = ("nkey", "ca", "cert", "key")
UNSUPPORTED = (
    "creds",
    "nsc",
    "user_jwt",
    "user_seed",
    "socks_proxy",
    "jetstream_domain",
    "windows_cert_store",
)
"""Fields of the `nats` tool that are not supported here; a context that sets one of them is rejected."""


class BusContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Address and credentials of the bus. Its `repr` has no secrets."""

    description: str = ""
    url: str = DEFAULT_URL
    """One URL, or several separated by commas; without user and password."""
    user: str = ""
    password: str = ""
    token: str = ""
    nkey: str = ""
    """Path of a file with an NKey seed."""
    ca: str = ""
    """Path of the certificates by which the server's is verified; the system's if empty. Enables TLS."""
    cert: str = ""
    """Path of the client's certificate; `key` is that of its private key."""
    key: str = ""
    tls_first: bool = False
    """Whether the TLS handshake precedes the protocol; the server decides."""
    inbox_prefix: str = ""
    """Prefix of reply subjects; `_INBOX` if empty. Users that have their own cannot read each other's replies."""
    jetstream_api_prefix: str = ""
    """Prefix of the JetStream API, where another account exports it; `$JS.API` if empty."""
    server_user: str = ""
    """The user, by name or id, who runs the server, if it is on loopback: a process of another user but root is not used.
    Empty: any user may run it. Other programs ignore the field."""
    source: str = ""
    """Path of the file that the context was read from; not written into it."""

    def __repr__(self) -> str:
        return f"BusContext(url={self.url!r})"

    @property
    def api_prefix(self) -> str:
        return self.jetstream_api_prefix or DEFAULT_API_PREFIX

    @property
    def option(self) -> str:
        """The option by which another part reaches the same bus: `--bus-context FILE` or `--bus-url URL`.

        `FILE` stands for itself where each part has an NKey of its own.
        """
        if self.source and (self.password or self.server_user):
            return f"--bus-context {shlex.quote(self.source)}"
        has_credentials = self.password or self.nkey or self.token or self.cert
        return "--bus-context FILE" if has_credentials else f"--bus-url {self.url}"

    @property
    def secret(self) -> str:
        """What proves who connects: password, token or NKey seed; empty without any."""
        if self.nkey:
            return Path(self._checked_seed()).read_text(encoding="ascii").strip()
        return self.password or self.token

    @property
    def has_tls(self) -> bool:
        """Whether the connection uses TLS even if the server does not require it."""
        return bool(self.ca or self.cert or self.tls_first) or "tls://" in self.url or "wss://" in self.url

    def server_check(self) -> PeerCheck | None:
        """Return which users may run a server on loopback; None if any user may.

        Raises: InvalidContext when this machine has no such user.
        """
        try:
            return PeerCheck([self.server_user]) if self.server_user else None
        except UnknownUser as error:
            raise InvalidContext(
                f"server_user: there is no user {self.server_user!r} on this machine{self.source and f' ({self.source})'}"
            ) from error

    def options(self) -> dict[str, Any]:
        """Return the options of the NATS client.

        Raises: InvalidContext when a file that is named cannot be used.
        """
        options: dict[str, Any] = {}
        if self.user:
            options |= {"user": self.user, "password": self.password}
        if self.token:
            options["token"] = self.token
        if self.nkey:
            options["nkeys_seed"] = self._checked_seed()
        if self.inbox_prefix:
            options["inbox_prefix"] = self.inbox_prefix
        if self.has_tls:
            options["tls"] = self._tls()
            options["tls_handshake_first"] = self.tls_first
        return options

    def _checked_seed(self) -> str:
        try:
            seed = Path(self.nkey).read_bytes()
        except OSError as error:
            raise InvalidContext(f"the NKey seed {self.nkey} cannot be read: {error.strerror}") from error
        if not seed.lstrip().startswith(b"SU"):
            raise InvalidContext(f"{self.nkey} is not the seed of a user's NKey, which begins with SU")
        return self.nkey

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            if self.cert:
                context.load_cert_chain(self.cert, self.key or None)
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(each for each in (self.ca, self.cert, self.key) if each)
            raise InvalidContext(f"the certificates {names} cannot be used: {error}") from error
        return context


def as_context(where: BusContext | str) -> BusContext:
    """Return a context, made from the URL if it is one."""
    return where if isinstance(where, BusContext) else BusContext(url=where)


def read_context(path: Path) -> BusContext:
    """Return the context in a file, with absolute paths.

    Raises: InvalidContext.
    """
    try:
        raw = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        context = msgspec.convert({key: value for key, value in raw.items() if value}, BusContext)
    except OSError as error:
        raise InvalidContext(f"the bus context {path} cannot be read: {error.strerror}") from error
    except INVALID_JSON as error:
        raise InvalidContext(f"{path} is not a bus context: {error}") from error
    unsupported = [key for key in UNSUPPORTED if raw.get(key)]
    if unsupported:
        raise InvalidContext(
            f"{path} sets {', '.join(unsupported)}, which is not supported: use nkey, user and password, or token"
        )
    folder = path.absolute().parent
    paths = {name: str(folder / value) for name in PATHS if (value := getattr(context, name))}
    return msgspec.structs.replace(context, source=str(path.absolute()), **paths)


def write_context(path: Path, context: BusContext) -> None:
    """Write a context file that only its owner can read. Raises: OSError."""
    # The URL always, because the default one of the `nats` tool may be another.
    fields = {"url": context.url} | msgspec.to_builtins(context)
    fields.pop("source", None)
    write_private(path, msgspec.json.format(msgspec.json.encode(fields)) + b"\n")


def choose_context(url: str | None, path: Path | None) -> BusContext | None:
    """Return the context in a file, with another URL if one is given; that URL alone without a file; None without both.

    Raises: InvalidContext.
    """
    if path is None:
        return None if url is None else BusContext(url=url)
    context = read_context(path)
    return context if url is None else msgspec.structs.replace(context, url=url)


def context_from_environment(environment: Mapping[str, str] = os.environ) -> BusContext | None:
    """Return the context that `OPENSQT_BUS_CONTEXT` and `OPENSQT_BUS_URL` describe; None if neither is set.

    Raises: InvalidContext.
    """
    path = environment.get(CONTEXT_VARIABLE, "")
    return choose_context(environment.get(URL_VARIABLE) or None, Path(path) if path else None)
