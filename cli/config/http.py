"""The `http` section of a configuration: listen address, limits and access control of the live servers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bus.peer import UnknownUser, uid_of
from cli import units
from cli.config.section import Section
from liveserver.auth.roles import Role
from liveserver.auth.settings import (
    KEY_HASH,
    KEY_NAME_PATTERN,
    Access,
    AccessSettingsError,
    Algorithm,
    ApiKey,
    RateLimits,
    Secret,
    Tokens,
    find_problems,
)
from liveserver.auth.settings import check_access as check
from liveserver.websocket.context import Limits
from schemas.units import SECOND_NS, Symbol

T = TypeVar("T")

ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
MAX_COUNT = 10_000_000
"""Upper bound of the limits that are counts."""
PLACEHOLDER_HASH = "0" * 64


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A valid `http` section."""

    host: str = "127.0.0.1"
    port: int | None = None
    """None if the file sets no port."""
    allowed_origins: frozenset[str] = frozenset()
    limits: Limits = Limits()
    access: Access = Access()
    symbols: tuple[tuple[Symbol, int], ...] = ()
    """The symbols that the live servers serve, each with its line in the file; all symbols if empty."""
    allowed_users: tuple[str, ...] = ()
    """Users of this machine who may connect over loopback, beside the own one and root."""


def read_http(top: Section) -> HttpSettings:
    """Read the section and note its problems."""
    section = top.section("http")
    if section is None:
        return HttpSettings()
    port = section.optional("port", units.whole(0, 65535), -1)
    settings = HttpSettings(
        host=section.optional("host", units.word, "127.0.0.1"),
        port=None if port == -1 else port,
        allowed_origins=frozenset(value for value, _ in section.values("allowed_origins", origin)),
        limits=_limits(section),
        access=_access(section),
        symbols=tuple((Symbol(text), line) for text, line in section.values("symbols", units.word)),
        allowed_users=_allowed_users(section),
    )
    section.close()
    if section.is_valid:
        _check(section, settings)
    return settings


def read_allowed_users(top: Section) -> HttpSettings:
    """Read what concerns parts other than live servers, for which the secrets of the section need not be there."""
    section = top.section("http")  # not closed: its other keys are not read
    return HttpSettings() if section is None else HttpSettings(allowed_users=_allowed_users(section))


def _allowed_users(section: Section) -> tuple[str, ...]:
    return tuple(value for value, _ in section.values("allowed_users", _user))


def _check(section: Section, settings: HttpSettings) -> None:
    try:
        check(settings.access, settings.host)
    except AccessSettingsError as error:
        section.note(f"http: {error}")


def _access(section: Section) -> Access:
    default = Access()
    return Access(
        keys=tuple(_key(each) for each in section.listed_sections("keys")),
        tokens=_tokens(section),
        public=section.optional("public", units.flag, default.public),
        trust_network=section.optional("trust_network", units.flag, default.trust_network),
        trusted_proxies=tuple(value for value, _ in section.values("trusted_proxies", _network)),
        session_s=section.optional("session", _seconds, default.session_s),
        rates=_numbers(section, "rates", RateLimits()),
    )


def _key(section: Section) -> ApiKey:
    key = ApiKey(
        name=section.required("name", _name, f"line-{section.line}"),
        role=section.required("role", _role, Role.VIEWER),
        sha256=section.required("sha256", _hash, PLACEHOLDER_HASH),
    )
    section.close()
    return key


def _tokens(top: Section) -> Tokens | None:
    section = top.section("jwt")
    if section is None:
        return None
    default = Tokens(algorithm=Algorithm.HS256)
    tokens = Tokens(
        algorithm=section.required("algorithm", units.choice(Algorithm), default.algorithm),
        secret=Secret(section.optional("secret", units.word, "")),
        public_key=section.optional("public_key_file", _file, ""),
        issuer=section.optional("issuer", units.word, ""),
        audience=section.optional("audience", units.word, ""),
        leeway_s=section.optional("leeway", _seconds, default.leeway_s),
        role_claim=section.optional("role_claim", units.word, default.role_claim),
    )
    section.close()
    return tokens


def _limits(top: Section) -> Limits:
    return _numbers(top, "limits", Limits())


def _numbers(top: Section, key: str, default: T) -> T:
    """Read a table whose keys are the numeric fields of a struct; `ping_every_s: float` is read as `ping_every: 20s`."""
    section = top.section(key)
    if section is None:
        return default
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(type(default)):  # type: ignore[arg-type] # both callers pass a struct
        default_value = getattr(default, field.name)
        is_time = field.name.endswith("_s") and not field.name.endswith("_per_s")
        name = field.name.removesuffix("_s") if is_time else field.name
        parse: Callable[[str], Any]
        if is_time:
            parse = _seconds
        elif isinstance(default_value, float):
            parse = _number
        else:
            parse = _count
        values[field.name] = section.optional(name, parse, default_value)
    section.close()
    return type(default)(**values)


def _seconds(text: str) -> float:
    return units.duration(text) / SECOND_NS


def _number(text: str) -> float:
    return float(units.positive(text))


def _count(text: str) -> int:
    return units.whole(1, MAX_COUNT)(text)


def _name(text: str) -> str:
    if not KEY_NAME_PATTERN.match(text):
        raise ValueError("has to be 1 to 64 of letters, digits, . _ @ -")
    return text


def _hash(text: str) -> str:
    if not KEY_HASH.match(text):
        raise ValueError("has to be 64 hexadecimal digits, as `./opensqt key` prints them")
    return text


def _role(text: str) -> Role:
    if text not in ROLES:
        raise ValueError(f"has to be {', '.join(ROLES[:-1])} or {ROLES[-1]}")
    return Role(text)


def origin(text: str) -> str:
    """Parse an origin: scheme and host, `*`, or `null`."""
    is_origin = text.startswith(("http://", "https://")) and text.count("/") == 2
    if not is_origin and text not in {"*", "null"}:
        raise ValueError("has to be an origin without a path, like https://example.org, or * or null")
    return text.lower()


def _network(text: str) -> str:
    for _ in find_problems(Access(trusted_proxies=(text,))):
        raise ValueError("has to be an address or a network, like 10.0.0.0/8")
    return text


def _user(text: str) -> str:
    try:
        uid_of(text)
    except UnknownUser:
        raise ValueError("has to be the name or the id of a user of this machine, like www-data") from None
    return text


def _file(text: str) -> str:
    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
