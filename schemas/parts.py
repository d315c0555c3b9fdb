"""Heartbeats of the parts of the stack: `part.KIND.NAME`."""

import msgspec

from schemas.units import SECOND_NS, DurationNs, TimeNs, VenueId

HEARTBEAT_INTERVAL_NS: DurationNs = SECOND_NS
"""Time between two heartbeats of a part."""


class VenueLink(msgspec.Struct, frozen=True, kw_only=True):
    """The connection of a part to a venue, as the part sees it."""

    venue: VenueId
    connected: bool
    """Whether the venue sends and answers."""
    detail: str = ""
    """Why it is not connected; a sentence for operators."""
    url: str = ""
    """The venue's address; empty if unknown."""
    last_message_time: TimeNs = 0
    """Wall-clock time when the venue last sent or answered anything; 0 if it never did."""


class PartHeartbeat(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A part, one process of the stack, is alive. Only the newest of each part counts."""

    kind: str
    """`engine`, `gateway`, `market`, `account`, `liveserver`, or `up`, which supervises the others."""
    name: str
    """The name of the process, unique among those of its kind: `gateway-sim2`."""
    time: TimeNs
    """Wall-clock time."""
    started_time: TimeNs
    """Wall-clock time of the start of the process. A process that is restarted under the same name has another one."""
    venues: tuple[VenueId, ...] = ()
    """The venues that a publisher or gateway serves; empty for parts of all venues."""
    symbols: tuple[str, ...] = ()
    """The registry keys (`sim.BTC-USDT_USDT`) of the symbols that an engine or gateway runs at present."""
    links: tuple[VenueLink, ...] = ()
    """The part's connections to venues."""
    problems: tuple[str, ...] = ()
    """The problems of its /health."""
    address: str = ""
    """URL of its HTTP server; empty without one."""
    host: str = ""
    """The name of its host; empty if unknown."""
    pid: int = 0
    """Its process id on the host; 0 if unknown."""
    is_stopping: bool = False
    """Whether the part stops in order and this is its last heartbeat: its silence is no fault."""
