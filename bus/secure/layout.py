"""The accounts of this system: what each part publishes, receives and reads.

Reading is granted by whole streams: the filter of a direct get is in the body of the request, which the server does not
compare with permissions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bus.secure.accounts import (
    API,
    READ,
    READ_API,
    SYSTEM,
    TRADE,
    TRADE_API,
    Account,
    Import,
    Kind,
    User,
)
from bus.streams.topology import BUCKETS, LIVE_PREFIX, STREAMS, StreamConfig
from schemas.engine.control import CommandName
from schemas.subjects import Stream, is_venue_id
from schemas.units import VenueId

ALL_VENUES = VenueId("*")
"""Stands for the parts of all venues, which then share their users."""
MIRROR = "mirror"
"""Name of the consumers in TRADE that feed the mirrors in READ; the server resets them, readers cannot."""
MIRROR_PREFIX = "mirror."
"""Subjects on which TRADE delivers stored messages to the mirrors in READ."""
LEASE = "KV_lease"
PUBLIC = (Stream.MARKET, Stream.CANDLES)
TRADING = (Stream.ORDERS, Stream.ACCOUNT, Stream.JOURNAL)
MIRRORED: tuple[StreamConfig, ...] = (*STREAMS, *(each for each in BUCKETS if each.name != LEASE))
"""The streams that READ has mirrors of: all but the leases."""

COMMANDS = tuple(f"control.*.*.{name}" for name in CommandName)
READ_ENDPOINTS = ("STREAM.INFO.*", "STREAM.NAMES", "STREAM.LIST", "INFO")
"""Endpoints of the JetStream API that tell names, configuration and size of streams."""
CONSUMER_ENDPOINTS = (
    "CONSUMER.CREATE.>",
    "CONSUMER.DURABLE.CREATE.>",
    "CONSUMER.DELETE.>",
    "CONSUMER.INFO.>",
    "CONSUMER.LIST.>",
    "CONSUMER.NAMES.>",
    "CONSUMER.MSG.NEXT.>",
)
MIRROR_ENDPOINTS = ("STREAM.CREATE.*", "STREAM.UPDATE.*", "STREAM.DELETE.*", "STREAM.INFO.*", "INFO")
"""Endpoints of READ that the administrator of TRADE uses to create mirrors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a part needs of the bus."""

    kind: str
    """Its name as a NATS service."""
    venue: VenueId | None = None
    description: str
    stores: tuple[str, ...]
    """Subjects that it publishes into the streams."""
    reads: tuple[str, ...]
    """Streams and buckets that it reads."""
    receives: tuple[str, ...] = ()
    """Subjects that it receives from other parts directly; no stream stores them."""
    sends: tuple[str, ...] = ()
    """Subjects that it sends to other parts directly."""

    @property
    def name(self) -> str:
        """The name of its user: `gateway-sim`; `gateway` for all venues."""
        return self.kind if self.venue in {None, ALL_VENUES} else f"{self.kind}-{self.venue}"

    @property
    def account(self) -> str:
        """The name of its account: `GATEWAY-sim`."""
        return self.kind.upper() + self.name.removeprefix(self.kind)


def build_accounts(venues: Sequence[VenueId]) -> tuple[Account, ...]:
    """Return the accounts of a system that trades these venues; ALL_VENUES for users that serve any.

    Raises: ValueError for an invalid or repeated name.
    """
    if not venues or len(set(venues)) < len(venues):
        raise ValueError("name each venue once")
    if ALL_VENUES in venues and len(venues) > 1:
        raise ValueError("either name the venues, or * for all of them")
    for venue in venues:
        if venue != ALL_VENUES and not is_venue_id(venue):
            raise ValueError(f"{venue!r} cannot be the name of a venue: use letters, digits and -")
    parts = [engine(venues), *(make(venue) for venue in venues for make in (market, account, gateway))]
    parts.append(liveserver())
    return (
        _trade(parts),
        *(_part_account(part, parts) for part in parts),
        _operator(parts),
        _read(parts),
        Account(name=SYSTEM, users=(_system_user(),)),
    )


def _system_user() -> User:
    return User(
        name="sys",
        description="the servers' own services, for `nats server`",
        publish=("$SYS.REQ.>",),
        subscribe=("_INBOX.>", "_INBOX_sys.>", "$SYS.>"),
    )


def market(venue: VenueId) -> Part:
    return Part(
        kind="market",
        venue=venue,
        description="market publisher",
        stores=(
            f"market.{venue}.>",
            f"candle.{venue}.>",
            f"alert.{venue}.>",
            f"$KV.instruments.{venue}.>",
            *_leases(f"market.{venue}"),
            "part.market.*",
        ),
        # ALERTS: to end an alert about its clock that an earlier process left, as all with leases do
        reads=(*PUBLIC, Stream.ORDERS, Stream.ALERTS, "KV_instruments", "KV_symbols", LEASE),
    )


def account(venue: VenueId) -> Part:
    return Part(
        kind="account",
        venue=venue,
        description="account publisher",
        stores=(
            f"order.{venue}.*.report",
            f"order.{venue}.*.trade",
            f"order.{venue}.*.funding",
            f"account.{venue}.>",
            f"alert.{venue}.>",
            *_leases(f"account.{venue}"),
            "part.account.*",
        ),
        # MARKET: prices of the coins that fees are charged in
        reads=(*TRADING, Stream.MARKET, Stream.ALERTS, "KV_symbols", LEASE),
        receives=(f"sweep.{venue}",),
    )


def gateway(venue: VenueId) -> Part:
    return Part(
        kind="gateway",
        venue=venue,
        description="gateway",
        stores=(
            f"order.{venue}.*.intent",
            f"order.{venue}.*.report",
            f"order.{venue}.*.request",
            f"account.{venue}._all.latency",
            f"alert.{venue}.>",
            *_leases(f"gateway.{venue}"),
            "part.gateway.*",
        ),
        reads=(*TRADING, Stream.ALERTS, "KV_symbols", "KV_portfolios", LEASE),
        receives=(f"heartbeat.{venue}.*",),
        sends=(f"sweep.{venue}",),
    )


def engine(venues: Sequence[VenueId]) -> Part:
    return Part(
        kind="engine",
        description="engine",
        stores=(
            "journal.>",
            "engine.>",
            "control.>",
            "alert.>",
            "$KV.symbols.>",
            "$KV.portfolios.>",
            *_leases("engine"),
            "part.engine.*",
        ),
        reads=(
            *PUBLIC,
            *TRADING,
            Stream.ENGINE,
            Stream.CONTROL,
            Stream.ALERTS,
            *(each.name for each in BUCKETS),
        ),
        sends=tuple(subject for each in venues for subject in (f"sweep.{each}", f"heartbeat.{each}.*")),
    )


def liveserver() -> Part:
    return Part(
        kind="liveserver",
        description="live server",
        # Commands as people give them, never their results. Alerts are those of its watchdog.
        stores=(*COMMANDS, "alert.>", "part.liveserver.*"),
        reads=(*(each.name for each in STREAMS), "KV_symbols"),
    )


def _leases(group: str) -> tuple[str, str]:
    return f"$KV.lease.{group}.>", f"$KV.lease.member.{group}.>"


def live_subjects(streams: Iterable[str]) -> tuple[str, ...]:
    """Return the subjects under which streams republish what they have stored."""
    by_name = {each.name: each for each in (*STREAMS, *BUCKETS)}
    return tuple(f"{LIVE_PREFIX}{subject}" for name in streams for subject in by_name[name].subjects)


def _part_account(part: Part, parts: Sequence[Part]) -> Account:
    owners = {subject: each.account for each in parts for subject in each.receives}
    imports = (
        *(_service(TRADE, each) for each in part.stores),
        *(_service(owners[each], each) for each in part.sends),
        *_reading(part.reads),
        _api_import("STREAM.INFO.*"),
    )
    user = User(
        name=part.name,
        description=part.description if part.venue is None else f"{part.description} of {_of(part.venue)}",
        publish=_published(imports),
        subscribe=(
            f"_INBOX_{part.name}.>",
            *live_subjects(part.reads),
            *part.receives,
            *_served(part.kind),
        ),
        may_respond=True,
        api_prefix=TRADE_API,
    )
    return Account(name=part.account, users=(user,), imports=imports)


def _of(venue: VenueId) -> str:
    return "all venues" if venue == ALL_VENUES else str(venue)


def _trade(parts: Sequence[Part]) -> Account:
    admin = User(
        name="admin",
        description="`apply`, `bus backup`, `bus restore`, streams and buckets",
        denied=(f"{LIVE_PREFIX}>", f"{MIRROR_PREFIX}>"),
    )
    imports = (
        *_services_of(parts),
        *(
            Import(kind=Kind.SERVICE, account=READ, subject=f"{API}.{endpoint}", to=f"{READ_API}.{endpoint}")
            for endpoint in MIRROR_ENDPOINTS
        ),
    )
    return Account(name=TRADE, users=(admin,), imports=imports, has_streams=True)


def _operator(parts: Sequence[Part]) -> Account:
    streams = tuple(each.name for each in (*STREAMS, *BUCKETS))
    imports = (
        *(_service(TRADE, each) for each in COMMANDS),
        *_reading(streams),
        *(_api_import(each) for each in READ_ENDPOINTS),
        *_services_of(parts),
    )
    user = User(
        name="operator",
        description="people: `status`, `control`, `tap`",
        publish=_published(imports),
        subscribe=("_INBOX.>", "_INBOX_operator.>", *live_subjects(streams)),
        api_prefix=TRADE_API,
    )
    return Account(name="OPERATOR", users=(user,), imports=imports)


def _read(parts: Sequence[Part]) -> Account:
    names = tuple(each.name for each in MIRRORED)
    feeds = (
        *(_service(TRADE, f"{API}.CONSUMER.RESET.{name}.{MIRROR}", TRADE_API) for name in names),
        *(_service(TRADE, f"$JS.FC.{name}.{MIRROR}.>") for name in names),
    )
    services = _services_of(parts)
    imports = (
        Import(kind=Kind.STREAM, account=TRADE, subject=f"{MIRROR_PREFIX}>"),
        *(
            Import(kind=Kind.STREAM, account=TRADE, subject=each, to=each.removeprefix(LIVE_PREFIX))
            for each in live_subjects(names)
        ),
        *feeds,
        *services,
    )
    roots = tuple(each.removeprefix(LIVE_PREFIX) for each in live_subjects(names))
    endpoints = (*READ_ENDPOINTS, "STREAM.MSG.GET.*", "DIRECT.GET.>", *CONSUMER_ENDPOINTS)
    user = User(
        name="reader",
        description="people with the `nats` tool: mirrors of the streams",
        publish=(
            *(f"{API}.{each}" for each in endpoints),
            "$JS.ACK.>",
            "$JS.FC.>",
            *(each.local for each in services),
        ),
        subscribe=("_INBOX.>", "_INBOX_reader.>", *roots),
        denied=tuple(each.local for each in feeds),
    )
    return Account(name=READ, users=(user,), imports=imports, has_streams=True)


def _reading(streams: Iterable[str]) -> tuple[Import, ...]:
    names = tuple(streams)
    return (
        *(
            _api_import(endpoint, has_many_replies=True)
            for name in names
            for endpoint in (f"DIRECT.GET.{name}", f"DIRECT.GET.{name}.>")
        ),
        *(_api_import(f"STREAM.MSG.GET.{name}") for name in names),
        *(Import(kind=Kind.STREAM, account=TRADE, subject=each) for each in live_subjects(names)),
    )


def _services_of(parts: Sequence[Part]) -> tuple[Import, ...]:
    """Return the requests to all parts that the tools use: to each account that may answer, under the same subject."""
    return tuple(
        Import(kind=Kind.SERVICE, account=part.account, subject=each, has_many_replies=True)
        for part in parts
        for each in _served(part.kind)
    )


def _served(kind: str) -> tuple[str, str]:
    return "$SRV.>", f"status.{kind}.*"


def _service(account: str, subject: str, prefix: str = "") -> Import:
    to = prefix + subject.removeprefix(API) if prefix else ""
    return Import(kind=Kind.SERVICE, account=account, subject=subject, to=to)


def _api_import(endpoint: str, *, has_many_replies: bool = False) -> Import:
    return Import(
        kind=Kind.SERVICE,
        account=TRADE,
        subject=f"{API}.{endpoint}",
        to=f"{TRADE_API}.{endpoint}",
        has_many_replies=has_many_replies,
    )


def _published(imports: Iterable[Import]) -> tuple[str, ...]:
    found = (each.local for each in imports if each.kind is Kind.SERVICE)
    return tuple(dict.fromkeys(found))
