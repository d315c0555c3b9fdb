"""Who may connect, and what they ask for: decided on the handshake alone."""

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request

from liveserver.requests import TOPICS_LIMIT
from liveserver.topics import Wanted

SOCKET_PATH = "/ws"


class Refusal(NamedTuple):
    """Why a handshake is answered with no."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Door:
    """The rules for connecting."""

    allowed_origins: frozenset[str]

    def admit(self, request: Request) -> list[Wanted] | Refusal:
        """Return what the viewer asks for, or why it may not connect."""
        address = urlsplit(request.path)
        if address.path != SOCKET_PATH:
            return Refusal(404, f"there is no socket at {address.path}\n")
        try:
            origin, host = _single(request.headers, "Origin"), _single(request.headers, "Host")
        except MultipleValuesError as error:
            return Refusal(400, f"more than one {error}\n")
        if not may_connect(origin, host, self.allowed_origins):
            return Refusal(403, "pages from there may not connect\n")
        return topics(address.query.encode("latin-1", "replace"))


def may_connect(origin: str | None, host: str | None, allowed: frozenset[str]) -> bool:
    """Tell whether a page from `origin` may watch; the page that this server serves always may.

    A program that is no browser names no origin. Without this, any website could read the account of whoever runs a
    live server and visits it.
    """
    if origin is None or origin in allowed or "*" in allowed:
        return True
    return host is not None and urlsplit(origin).netloc.lower() == host.lower()


def wanted(query: bytes) -> Wanted:
    """Return what `?symbol=&venue=&interval=` asks for."""
    return topics(query)[0]


def topics(query: bytes) -> list[Wanted]:
    """Return all that is asked for: `symbol` may be there several times."""
    fields = parse_qs(query.decode("latin-1"))
    venue, interval = (fields.get(name, [""])[0] for name in ("venue", "interval"))
    return [Wanted(symbol, venue, interval) for symbol in fields.get("symbol", [""])[:TOPICS_LIMIT]]


def _single(headers: Headers, name: str) -> str | None:
    try:
        return headers[name]
    except KeyError:
        return None
