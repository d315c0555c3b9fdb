"""Derive the state of all parts from their newest heartbeats: a pure function of an observation."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from bus.parts import texts
from bus.parts.view import Blocked, PartState, PartsView, PartView
from bus.runtime import background_s
from schemas.grid.view import NotQuoting
from schemas.parts import PartHeartbeat, VenueLink
from schemas.units import SECOND_NS, DurationNs, TimeNs, VenueId

SILENT_AFTER_NS: DurationNs = 3 * SECOND_NS
"""A part without a heartbeat for this time is silent."""
MISSING_AFTER_NS: DurationNs = 10 * SECOND_NS
"""A watcher gives the parts this time to start before it calls one missing."""
FORGET_REPLACED_NS: DurationNs = 300 * SECOND_NS
"""A silent part is forgotten after this time if others do its work."""
FORGET_NS: DurationNs = 3600 * SECOND_NS
"""A silent part is forgotten after this time, as by the stream."""
BUS = "bus"
VENUE = "venue"
NO_VENUE = VenueId("")
SHARED = ("engine", "gateway")
"""Kinds whose processes divide the symbols."""
ORDER = (PartState.SILENT, PartState.MISSING, PartState.UNREACHABLE, PartState.DEGRADED, PartState.OK)


class ReceivedHeartbeat(NamedTuple):
    """The newest heartbeat of a part."""

    heartbeat: PartHeartbeat
    time_ns: TimeNs
    """When the bus stored it, by the bus's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The input of the fold. All times are those of the bus's clock."""

    heartbeats: Collection[ReceivedHeartbeat]
    """The newest heartbeat of each part."""
    now_ns: TimeNs
    """The time up to which heartbeats of others are known to have arrived."""
    roster: Collection[str]
    """Registry keys of the traded symbols: `sim.BTC-USDT_USDT`."""
    bus_url: str
    bus_option: str = ""
    """How commands name the bus: `--bus-context FILE`; by default its URL."""
    attentive_since_ns: TimeNs = 0
    """Silence before this time is not held against a part: the watcher was paused, or had no connection."""
    is_bus_silent: bool = False
    known: Collection[str] = ()
    """The incidents of the watcher's previous view: silence that goes on through a pause of the watcher."""


def evaluate(observation: Observation) -> PartsView:
    """Return the state of all parts, and what it means for the traded symbols."""
    bus_url = texts.without_secrets(observation.bus_url)
    if observation.is_bus_silent:
        return _bus_silent(bus_url)
    return _Fold(observation, observation.bus_option or f"--bus-url {bus_url}").view()


def _bus_silent(bus_url: str) -> PartsView:
    detail, remedy = texts.bus_text(), texts.bus_remedy(bus_url)
    part = PartView(kind=BUS, name=BUS, state=PartState.SILENT, detail=detail, remedy=remedy)
    return PartsView((part,), (f"{detail} {remedy}",), {}, Blocked(NotQuoting.BUS_SILENT, detail, remedy))


class _Fold:
    def __init__(self, observation: Observation, bus_option: str) -> None:
        self._now_ns = observation.now_ns
        self._attentive_since_ns = observation.attentive_since_ns
        self._roster = sorted(observation.roster)
        self._known = frozenset(observation.known)
        self._bus_option = bus_option
        known = [each for each in observation.heartbeats if self._now_ns - each.time_ns < FORGET_NS]
        self._stopped = [each for each in known if each.heartbeat.is_stopping]
        running = [each for each in known if not each.heartbeat.is_stopping]
        self._alive = [each for each in running if not self._is_silent(each)]
        self._silent = [each for each in running if self._is_silent(each)]
        self._links: dict[VenueId, list[tuple[ReceivedHeartbeat, VenueLink]]] = {}
        for each in self._alive:
            for link in each.heartbeat.links:
                self._links.setdefault(link.venue, []).append((each, link))
        self._unreachable = {
            venue: links
            for venue, links in self._links.items()
            if not any(link.connected for _, link in links)
        }

    def view(self) -> PartsView:
        """Return the state of all parts."""
        silent = [self._silent_view(each) for each in self._silent]
        parts = [
            *(each for each in silent if not (each.is_replaced and (each.age_ns or 0) > FORGET_REPLACED_NS)),
            *self._missing_views(),
            *(self._venue_view(venue) for venue in self._links),
            *(self._alive_view(each) for each in self._alive),
            *self._bus_view(),
        ]
        parts.sort(key=lambda part: (not part.is_wrong, ORDER.index(part.state), part.kind, part.name))
        problems = tuple(f"{part.detail} {part.remedy}".strip() for part in parts if part.is_wrong)
        wrong = [part for part in parts if part.is_wrong]
        blocked = {key: found for key in self._roster if (found := self._blocked(key, wrong))}
        return PartsView(tuple(parts), problems, blocked)

    def _is_silent(self, received: ReceivedHeartbeat) -> bool:
        if _silent_incident(received.heartbeat) in self._known:
            return True
        return self._now_ns - max(received.time_ns, self._attentive_since_ns) >= background_s(SILENT_AFTER_NS)

    def _incident(self, prefix: str, time: TimeNs) -> str:
        """Return the known incident of something that has no heartbeat of its own, or else a new one."""
        return next((known for known in self._known if known.startswith(prefix)), f"{prefix}{time}")

    def _alive_view(self, received: ReceivedHeartbeat) -> PartView:
        sent = received.heartbeat
        lost = [
            f"no connection to {link.venue}: {link.detail or 'it does not answer'}"
            for link in sent.links
            if not link.connected and link.venue not in self._unreachable
        ]
        problems = [*sent.problems, *lost]
        detail = (
            f"The {texts.title(sent.kind, sent.name)} reports: {'; '.join(problems)}." if problems else ""
        )
        state = PartState.DEGRADED if problems else PartState.OK
        return replace(self._part_view(received, state), detail=detail)

    def _silent_view(self, received: ReceivedHeartbeat) -> PartView:
        sent = received.heartbeat
        by = self._replacements(sent)
        venue = sent.venues[0] if sent.venues else NO_VENUE
        start = texts.start_command(sent.kind, self._bus_option, venue, self._url(sent, venue))
        return replace(
            self._part_view(received, PartState.SILENT),
            detail=texts.replaced_text(sent, received.time_ns, by)
            if by
            else texts.silent_text(sent, received.time_ns),
            remedy=texts.silent_remedy(sent, start),
            incident=_silent_incident(sent),
            is_replaced=bool(by),
        )

    def _part_view(self, received: ReceivedHeartbeat, state: PartState) -> PartView:
        sent = received.heartbeat
        return PartView(
            kind=sent.kind,
            name=sent.name,
            state=state,
            age_ns=max(self._now_ns - received.time_ns, 0),
            venues=sent.venues,
            symbols=sent.symbols,
        )

    def _replacements(self, silent: PartHeartbeat) -> set[str]:
        """Return the names of the parts that do the work of a silent one; none while some of it is not done."""
        same = self._serving(self._alive, silent.kind, silent.venues)
        if silent.kind in SHARED:
            needed = set(silent.symbols).intersection(self._roster)
            taking = [each for each in same if needed.intersection(each.symbols)]
            if needed.difference(*(each.symbols for each in taking)):
                return set()
            return {each.name for each in taking or same}
        return {each.name for each in same} if silent.kind in texts.INTERCHANGEABLE else set()

    def _missing_views(self) -> Iterator[PartView]:
        venues = sorted({VenueId(key.partition(".")[0]) for key in self._roster})
        for kind in texts.NEEDED if venues else ():
            for venue in venues if kind in texts.OF_VENUES else (NO_VENUE,):
                served = (venue,) if venue else ()
                if self._serving([*self._alive, *self._silent], kind, served):
                    continue
                name = kind if len(venues) == 1 or not venue else f"{kind}-{venue}"
                stopped = [each for each in self._stopped if self._serving([each], kind, served)]
                last = max(stopped, key=lambda each: each.time_ns, default=None)
                since_ns = self._attentive_since_ns if last is None else last.time_ns
                prefix = f"part_missing.{kind}.{name}."
                is_known = any(known.startswith(prefix) for known in self._known)
                if is_known or self._now_ns - max(since_ns, self._attentive_since_ns) >= background_s(
                    MISSING_AFTER_NS
                ):
                    yield self._missing_view(kind, name, served, last)

    def _missing_view(
        self, kind: str, name: str, venues: tuple[VenueId, ...], last: ReceivedHeartbeat | None
    ) -> PartView:
        venue = venues[0] if venues else NO_VENUE
        started = min((each.heartbeat.started_time for each in self._alive), default=0)
        url = self._url(None if last is None else last.heartbeat, venue)
        start = texts.start_command(kind, self._bus_option, venue, url)
        return PartView(
            kind=kind,
            name=name,
            state=PartState.MISSING,
            venues=venues,
            detail=texts.missing_text(kind, venue, None if last is None else last.time_ns),
            remedy=f"Start it: {start}",
            incident=self._incident(
                f"part_missing.{kind}.{name}.", started if last is None else last.heartbeat.time
            ),
        )

    def _venue_view(self, venue: VenueId) -> PartView:
        links = self._links[venue]
        last_message_time = max(link.last_message_time for _, link in links)
        ages = [
            self._now_ns - received.time_ns + received.heartbeat.time - last_message_time
            for received, _ in links
        ]
        reached = PartView(
            kind=VENUE,
            name=venue,
            state=PartState.OK,
            age_ns=max(min(ages), 0) if last_message_time else None,
            venues=(venue,),
        )
        if venue not in self._unreachable:
            return reached
        detail = next((link.detail for _, link in links if link.detail), "")
        url = next((link.url for _, link in links if link.url), "")
        return replace(
            reached,
            state=PartState.UNREACHABLE,
            detail=texts.unreachable_text(venue, detail),
            remedy=texts.unreachable_remedy(url),
            incident=self._incident(
                f"venue_unreachable.{VENUE}.{venue}.",
                last_message_time or min(received.heartbeat.started_time for received, _ in links),
            ),
        )

    def _bus_view(self) -> Iterator[PartView]:
        if self._alive:
            newest_ns = max(each.time_ns for each in self._alive)
            yield PartView(kind=BUS, name=BUS, state=PartState.OK, age_ns=max(self._now_ns - newest_ns, 0))

    def _blocked(self, key: str, wrong: Collection[PartView]) -> Blocked | None:
        """Return what prevents quoting of a symbol; the most severe first."""
        venue = VenueId(key.partition(".")[0])
        for kind in ("engine", "gateway", VENUE, "account", "market"):
            if kind == VENUE:
                found = [each for each in wrong if each.kind == VENUE and venue in each.venues]
                reason = NotQuoting.VENUE_UNREACHABLE
            else:
                found = [each for each in wrong if self._prevents(each, kind, key, venue)]
                reason = texts.REASONS[kind]
            if found:
                return Blocked(reason, found[0].detail, found[0].remedy)
        return None

    def _prevents(self, part: PartView, kind: str, key: str, venue: VenueId) -> bool:
        if part.kind != kind or (part.venues and venue not in part.venues):
            return False
        if part.state is PartState.MISSING:
            return True
        if part.state is not PartState.SILENT:
            return False
        alive = self._serving(self._alive, kind, (venue,))
        if kind in SHARED and key in part.symbols:
            return not any(key in each.symbols for each in alive)
        return not alive

    @staticmethod
    def _serving(
        heartbeats: Collection[ReceivedHeartbeat], kind: str, venues: Collection[VenueId]
    ) -> list[PartHeartbeat]:
        """Return the parts of a kind that serve one of the venues; a part without venues serves all."""
        return [
            each.heartbeat
            for each in heartbeats
            if each.heartbeat.kind == kind
            and (not venues or not each.heartbeat.venues or set(venues).intersection(each.heartbeat.venues))
        ]

    def _url(self, sent: PartHeartbeat | None, venue: VenueId) -> str:
        own = [link.url for link in (sent.links if sent is not None else ()) if link.venue == venue]
        others = [link.url for _, link in self._links.get(venue, ())]
        return next((url for url in (*own, *others) if url), "")


def _silent_incident(sent: PartHeartbeat) -> str:
    return f"part_silent.{sent.kind}.{sent.name}.{sent.time}"
