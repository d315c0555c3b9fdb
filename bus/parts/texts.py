"""Sentences about parts that are not well, and the commands that help."""

from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from schemas.grid.view import NotQuoting
from schemas.parts import PartHeartbeat
from schemas.units import SECOND_NS, TimeNs, VenueId

PUBLISHERS = ("market", "account")
INTERCHANGEABLE = (*PUBLISHERS, "liveserver")
"""Kinds of parts of which any one does the work of another one of the same venue."""
OF_VENUES = ("gateway", "account", "market")
"""Kinds of parts that each traded venue needs, in the order in which their absence matters."""
NEEDED = ("engine", *OF_VENUES)
TITLES = {
    "market": "market publisher",
    "account": "account publisher",
    "liveserver": "live server",
    "up": "supervisor",
}
EFFECTS = {
    "engine": "nothing is decided",
    "gateway": "no order can be sent or canceled",
    "account": "fills and balances arrive late",
    "market": "prices stand still",
    "liveserver": "its page stands still",
    "up": "parts that end are not restarted",
}
REASONS = {
    "engine": NotQuoting.ENGINE_SILENT,
    "gateway": NotQuoting.GATEWAY_SILENT,
    "account": NotQuoting.ACCOUNT_SILENT,
    "market": NotQuoting.MARKET_SILENT,
}


def title(kind: str, name: str = "") -> str:
    """Return how a part is called in a sentence: `account publisher account-sim2`; without its name if that is the kind."""
    kind_title = TITLES.get(kind, kind)
    return kind_title if name in ("", kind) else f"{kind_title} {name}"


def clock_text(time_ns: TimeNs) -> str:
    """Return the time of day: `07:47:41 UTC`."""
    return datetime.fromtimestamp(time_ns / SECOND_NS, UTC).strftime("%H:%M:%S UTC")


def silent_text(heartbeat: PartHeartbeat, last_ns: TimeNs) -> str:
    """Return what is wrong with a silent part."""
    effect = EFFECTS.get(heartbeat.kind)
    name = title(heartbeat.kind, heartbeat.name)
    return f"The {name} has sent no heartbeat since {clock_text(last_ns)}{f': {effect}' if effect else ''}."


def replaced_text(heartbeat: PartHeartbeat, last_ns: TimeNs, by: Iterable[str]) -> str:
    """Return what is known of a silent part whose work others do."""
    name = title(heartbeat.kind, heartbeat.name)
    others = ", ".join(sorted(by))
    return f"The {name} has sent no heartbeat since {clock_text(last_ns)}; {others} took over its work."


def silent_remedy(heartbeat: PartHeartbeat, start: str) -> str:
    """Return what to do about a silent part; `start` is the command that starts another one, or empty."""
    process = ""
    if heartbeat.pid:
        where = f"On {heartbeat.host}, if" if heartbeat.host else "If"
        restart = f"; kill -KILL {heartbeat.pid} ends it, and `up` starts it again"
        # All parts end with `up`. A process that has ended must not be killed: another one may have its id.
        process = (
            f"{where} ps -p {heartbeat.pid} still shows it: kill -CONT {heartbeat.pid} continues it"
            f"{'' if heartbeat.kind == 'up' else restart}."
        )
    another = f"Start another: {start}" if start else ""
    return " ".join(filter(None, (process, another)))


def missing_text(kind: str, venue: str, stopped_ns: TimeNs | None) -> str:
    """Return what a part that does not run means; `stopped_ns` is when the last of its kind stopped in order."""
    of_venue = f" of venue {venue}" if venue else ""
    since = "" if stopped_ns is None else f" since {clock_text(stopped_ns)}, when it was stopped"
    return f"No {title(kind)}{of_venue} runs{since}: {EFFECTS[kind]}."


def start_command(kind: str, bus_option: str, venue: str = "", venue_url: str = "") -> str:
    """Return the command that starts a part; empty for a kind that is not started alone.

    `bus_option` is that of `BusContext.option`.
    """
    if kind == "engine":
        return f"./opensqt engine {bus_option}"
    if kind in OF_VENUES:
        return f"./opensqt {kind} {bus_option} --venue {venue} --venue-url {venue_url or 'URL'}"
    if kind == "liveserver":
        return f"./opensqt liveserver {bus_option}"
    return ""


def unreachable_text(venue: VenueId, detail: str) -> str:
    """Return what is wrong with a venue that does not answer."""
    why = f": {detail.removesuffix('.')}" if detail else ""
    return f"The venue {venue} does not answer{why}."


def unreachable_remedy(url: str) -> str:
    """Return what to do about a venue that does not answer."""
    check = f"Check it with: curl -m 5 {url}" if url else "Check the network and the venue's status page"
    return f"Orders at the venue stay there meanwhile. {check}"


def bus_text() -> str:
    """Return what a silent bus means."""
    return "The bus does not answer: nothing can be stored, decided or commanded, and the state of the parts is unknown."


def bus_remedy(bus_url: str) -> str:
    """Return what to do about a silent bus."""
    return f"Continue or restart the nats-server of {bus_url}; orders at the venues stay there meanwhile."


def without_secrets(url: str) -> str:
    """Return the bus URL without user, password and token."""
    parts = (urlsplit(one if "://" in one else f"nats://{one}") for one in url.split(","))
    return ",".join(f"{part.scheme}://{part.hostname}:{part.port or 4222}" for part in parts)
