"""Settings of a live server, passed in the environment, which process lists do not show."""

from collections.abc import MutableMapping

import msgspec

from bus import BusContext
from liveserver.auth.settings import Access
from liveserver.websocket.context import Limits
from schemas.codec import INVALID_JSON
from schemas.units import Symbol

VARIABLE = "OPENSQT_LIVESERVER"
"""Environment variable with the settings as JSON, secrets included; removed once it is read."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a live server."""

    bus: BusContext | str = BusContext()
    http_host: str = "127.0.0.1"
    http_port: int = 8888
    """0 takes a free port."""
    share_port: bool = False
    """Share `http_port` with other live servers on this machine."""
    own_port: int = 0
    """Additional port of this server alone when `http_port` is shared; 0 takes a free port."""
    shutdown_delay_s: float = 0.0
    """Time from SIGTERM until viewers are disconnected: /ready answers 503, so that load balancers stop choosing it."""
    drain_s: float = 5.0
    """Time at shutdown for viewers to receive pending messages and the close frame."""
    replica: str = ""
    """Name of this server; host and port if empty."""
    allowed_origins: frozenset[str] = frozenset()
    """Origins of other pages that may connect; `null` stands for pages without one, such as files."""
    limits: Limits = Limits()
    replays: int = 16
    """Maximum number of concurrent replays."""
    access: Access = Access()
    symbols: frozenset[Symbol] = frozenset()
    """The symbols that are served, of all venues; all if empty."""


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variable that carries the settings."""
    return {VARIABLE: msgspec.json.encode(settings).decode()}


def from_environment(environment: MutableMapping[str, str]) -> Settings:
    """Remove the settings from the environment and return them; default settings if there are none.

    Raises: ValueError, without the settings in its text or cause.
    """
    text = environment.pop(VARIABLE, "")
    if not text:
        return Settings()
    try:
        return msgspec.json.decode(text, type=Settings)
    except INVALID_JSON:
        raise ValueError(
            f"{VARIABLE} was not written by this version: start the server by `./opensqt liveserver`"
        ) from None
