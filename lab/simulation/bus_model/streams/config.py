"""Stream configurations: parsed from requests, checked, completed with defaults, and written in the server's order."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from lab.simulation.bus_model import errors
from lab.simulation.bus_model.errors import ApiError, NotModeledError, RequestFailedError
from lab.simulation.bus_model.gojson import Fields
from lab.simulation.bus_model.streams.store import Limits
from lab.simulation.bus_model.subjects import REST, Mapping, collide, is_match, is_valid

VERSION = "2.15.1"
API_LEVEL = 5
MILLISECOND_NS = 1_000_000
DUPLICATE_WINDOW_NS = 120_000 * MILLISECOND_NS
MIN_WINDOW_NS = 100 * MILLISECOND_NS
MAX_NAME, MAX_DESCRIPTION, MAX_METADATA, MAX_REPLICAS = 255, 4096, 128 * 1024, 5
FORBIDDEN_IN_NAME = frozenset(" \t\r\n\f.*>\\/")
RESERVED = (
    (("$JS.>", "$JSC.>", "$NRG.>"), "$JS.EVENT.>", "jetstream"),
    (("$SYS.>",), "$SYS.ACCOUNT.>", "system"),
)
NOT_MODELED = (
    "mirror",
    "sources",
    "subject_transform",
    "placement",
    "subject_delete_marker_ttl",
    "allow_msg_counter",
    "allow_atomic",
    "allow_msg_schedules",
    "allow_batched",
    "mirror_direct",
    "persist_mode",
    "first_seq",
    "no_ack",
)
OMITTED_IF_EMPTY = frozenset(
    {"description", "duplicate_window", "discard_new_per_subject", "republish", "max_msg_size"}
)
DYNAMIC_METADATA = ("_nats.ver", "_nats.level")


@dataclass(slots=True)
class Config:
    """The configuration of a stream; fields are named and ordered as on the wire."""

    name: str
    description: str = ""
    subjects: list[str] = field(default_factory=list)
    retention: str = "limits"
    max_consumers: int = -1
    max_msgs: int = -1
    max_bytes: int = -1
    max_age: int = 0
    max_msgs_per_subject: int = -1
    max_msg_size: int = -1
    discard: str = "old"
    storage: str = "file"
    num_replicas: int = 1
    duplicate_window: int = 0
    compression: str = "none"
    republish: dict[str, Any] | None = None
    allow_direct: bool = False
    mirror_direct: bool = False
    discard_new_per_subject: bool = False
    sealed: bool = False
    deny_delete: bool = False
    deny_purge: bool = False
    allow_rollup_hdrs: bool = False
    consumer_limits: dict[str, int] = field(default_factory=dict)
    allow_msg_ttl: bool = False
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        return Limits(
            max_messages=self.max_msgs,
            max_bytes=self.max_bytes,
            max_per_subject=self.max_msgs_per_subject,
            max_age_ns=self.max_age,
            discard_new=self.discard == "new",
            discard_new_per_subject=self.discard_new_per_subject,
        )

    @property
    def mapping(self) -> Mapping | None:
        """How stored messages are republished."""
        if self.republish is None:
            return None
        return Mapping(self.republish["src"], self.republish["dest"])

    def wire(self, version: str = "") -> dict[str, Any]:
        """Return the configuration as the server writes it; with the metadata of a server of this version."""
        wire = {each.name: getattr(self, each.name) for each in fields(self)}
        wire = {name: value for name, value in wire.items() if value or name not in OMITTED_IF_EMPTY}
        metadata = dict(self.metadata)
        if version:
            metadata |= {"_nats.ver": version, "_nats.level": str(API_LEVEL)}
        wire["metadata"] = dict(sorted(metadata.items()))
        return wire


def parse(value: dict[str, Any]) -> Config:
    """Return the configuration in a request, not yet checked.

    Raises: ValueError for a value of another type, NotModeledError.
    """
    source = Fields(value)
    used = [name for name in NOT_MODELED if value.get(name)]
    if used or value.get("consumer_limits") or value.get("pedantic"):
        raise NotModeledError(f"stream with {', '.join(used) or 'consumer limits, or pedantic mode'}")
    republish = source.object("republish")
    if republish is not None:
        inner = Fields(republish)
        republish = {"src": inner.text("src"), "dest": inner.text("dest")}
        if inner.flag("headers_only"):
            raise NotModeledError("republish of headers only")
    return Config(
        name=source.text("name"),
        description=source.text("description"),
        subjects=list(source.texts("subjects")),
        retention=_choice(source, "retention", ("limits", "interest", "workqueue")),
        max_consumers=source.integer("max_consumers"),
        max_msgs=source.integer("max_msgs"),
        max_bytes=source.integer("max_bytes"),
        max_age=source.integer("max_age"),
        max_msgs_per_subject=source.integer("max_msgs_per_subject"),
        max_msg_size=source.integer("max_msg_size"),
        discard=_choice(source, "discard", ("old", "new")),
        storage=_choice(source, "storage", ("file", "memory")),
        num_replicas=source.integer("num_replicas"),
        duplicate_window=source.integer("duplicate_window"),
        compression=_choice(source, "compression", ("none", "s2")),
        republish=republish,
        allow_direct=source.flag("allow_direct"),
        discard_new_per_subject=source.flag("discard_new_per_subject"),
        sealed=source.flag("sealed"),
        deny_delete=source.flag("deny_delete"),
        deny_purge=source.flag("deny_purge"),
        allow_rollup_hdrs=source.flag("allow_rollup_hdrs"),
        allow_msg_ttl=source.flag("allow_msg_ttl"),
        metadata={key: str(each) for key, each in (source.object("metadata") or {}).items()},
    )


def checked(config: Config) -> Config:
    """Return a configuration with defaults, as the server checks it.

    Raises: RequestFailedError.
    """
    _check_name(config)
    if config.retention != "limits":
        raise NotModeledError(f"retention {config.retention}")
    config = replace(config, num_replicas=config.num_replicas or 1)
    if config.num_replicas > MAX_REPLICAS:
        _fail(f"maximum replicas is {MAX_REPLICAS}")
    if config.num_replicas < 0:
        raise RequestFailedError(errors.NEGATIVE_REPLICAS)
    for name in ("max_msgs", "max_msgs_per_subject", "max_bytes", "max_msg_size", "max_consumers"):
        value = getattr(config, name)
        setattr(config, name, value if value > 0 else -1)
    _check_times(config)
    if config.deny_purge and config.allow_rollup_hdrs:
        _fail("roll-ups require the purge permission")
    if config.discard_new_per_subject:
        if config.discard != "new":
            _fail("discard new per subject requires discard new policy to be set")
        if config.max_msgs_per_subject <= 0:
            _fail("discard new per subject requires max msgs per subject > 0")
    _check_subjects(config)
    _check_republish(config)
    return config


def check_replicas(config: Config, servers: int) -> None:
    """Check that there are enough servers for the replicas.

    Raises: RequestFailedError.
    """
    if config.num_replicas > servers:
        raise RequestFailedError(errors.NO_REPLICAS if servers == 1 else errors.NO_SUITABLE_PEERS)


def check_update(old: Config, new: Config, servers: int) -> Config:
    """Return the checked configuration that replaces another one.

    Raises: RequestFailedError.
    """
    new = checked(new)
    check_replicas(new, servers)
    if new.storage != old.storage:
        _fail("stream configuration update can not change storage type")
    for name, text in (
        ("sealed", "stream configuration update can not unseal a sealed stream"),
        ("deny_delete", "stream configuration update can not cancel deny message deletes"),
        ("deny_purge", "stream configuration update can not cancel deny purge"),
        ("allow_msg_ttl", "message TTL status can not be disabled"),
    ):
        if getattr(old, name) and not getattr(new, name):
            _fail(text)
    if new.sealed:
        new = replace(
            new, max_age=0, discard="new", deny_delete=True, deny_purge=True, allow_rollup_hdrs=False
        )
    return new


def with_static_metadata(config: Config) -> Config:
    """Return a configuration with the metadata that the server adds when it stores it."""
    metadata = {key: value for key, value in config.metadata.items() if key not in DYNAMIC_METADATA}
    metadata["_nats.req.level"] = "1" if config.allow_msg_ttl else "0"
    return replace(config, metadata=metadata)


def overlap(subjects: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether two streams would store the same subject."""
    others = list(others)
    return any(collide(one, other) for one in subjects for other in others)


def _check_name(config: Config) -> None:
    if not config.name or not FORBIDDEN_IN_NAME.isdisjoint(config.name):
        _fail("stream name is required and can not contain '.', '*', '>', '\\', '/'")
    if len(config.name) > MAX_NAME:
        _fail(f"stream name is too long, maximum allowed is {MAX_NAME}")
    if len(config.description.encode()) > MAX_DESCRIPTION:
        _fail(f"stream description is too long, maximum allowed is {MAX_DESCRIPTION}")
    if sum(len(key.encode()) + len(value.encode()) for key, value in config.metadata.items()) > MAX_METADATA:
        _fail(f"stream metadata exceeds maximum size of {MAX_METADATA} bytes")


def _check_times(config: Config) -> None:
    age, window = config.max_age, config.duplicate_window
    if age < 0:
        _fail("max age can not be negative")
    if age and age < MIN_WINDOW_NS:
        _fail("max age needs to be >= 100ms")
    if window == 0:
        window = min(age, DUPLICATE_WINDOW_NS) if age else DUPLICATE_WINDOW_NS
    if window < 0:
        _fail("duplicates window can not be negative")
    if age and window > age:
        _fail("duplicates window can not be larger then max age")
    if window < MIN_WINDOW_NS:
        _fail("duplicates window needs to be >= 100ms")
    config.duplicate_window = window


def _check_subjects(config: Config) -> None:
    subjects = config.subjects = config.subjects or [config.name]
    if subjects == [config.name]:
        return
    for at, subject in enumerate(subjects):
        if not is_valid(subject):
            _fail("invalid subject")
        if subject in subjects[:at]:
            _fail("duplicate subjects detected")
        if subject == REST:
            _fail("capturing all subjects requires no-ack to be true")
        _check_reserved(subject)
        for other in subjects[at + 1 :]:
            if collide(other, subject):
                _fail(f'subject "{subject}" overlaps with "{other}"')


def _check_reserved(subject: str) -> None:
    for spaces, exception, owner in RESERVED:
        if any(collide(subject, space) for space in spaces) and not is_match(subject, exception):
            _fail(f"subjects that overlap with {owner} api require no-ack to be true")


def _check_republish(config: Config) -> None:
    if config.republish is None:
        return
    source, destination = config.republish["src"] or REST, config.republish["dest"]
    config.republish = {"src": source, "dest": destination}
    if overlap([destination], config.subjects):
        _fail("stream configuration for republish destination forms a cycle")
    try:
        Mapping(source, destination or REST)
    except ValueError:
        _fail(
            f"stream configuration for republish with transform from '{source}' to '{destination}' not valid"
        )


def _choice(source: Fields, name: str, values: tuple[str, ...]) -> str:
    value = source.text(name)
    if value and value not in values:
        raise ValueError(f'can not unmarshal "{value}"')
    return value or values[0]


def _fail(text: str) -> None:
    raise RequestFailedError(ApiError(*errors.INVALID_CONFIG).with_text(err=text))
