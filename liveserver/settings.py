"""What a live server is started with, and how it is handed over: in the environment, where no list of processes shows it."""

from collections.abc import MutableMapping

import msgspec

from liveserver.auth.settings import Access
from liveserver.websocket.context import Limits

VARIABLE = "OPENSQT_LIVESERVER"
"""Settings as JSON, secrets included: made by `opensqt` from the configuration, and taken away when they are read."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a live server is started with."""

    bus_url: str = "nats://127.0.0.1:4222"
    http_host: str = "127.0.0.1"
    http_port: int = 8888
    """0 takes a free one."""
    share_port: bool = False
    """Other live servers on this machine listen at the same port."""
    own_port: int = 0
    """Where this one alone answers, when the port is shared; 0 takes a free one."""
    drain_s: float = 5.0
    """How long viewers get to fetch what waits for them, and to hear that the server goes away."""
    replica: str = ""
    """What it calls itself; its host and port when empty."""
    allowed_origins: frozenset[str] = frozenset()
    """Pages from elsewhere that may connect; `null` is any page that names none, such as one opened from disk."""
    limits: Limits = Limits()
    replays: int = 16
    """How many viewers may watch the past at a time."""
    access: Access = Access()


def handed_over(settings: Settings) -> dict[str, str]:
    """Return the environment that hands settings over."""
    return {VARIABLE: msgspec.json.encode(settings).decode()}


def take_over(environment: MutableMapping[str, str]) -> Settings:
    """Return the settings that were handed over, the usual ones where none were; they are there once.

    Raises: ValueError, which does not repeat them.
    """
    text = environment.pop(VARIABLE, "")
    if not text:
        return Settings()
    try:
        return msgspec.json.decode(text, type=Settings)
    except msgspec.MsgspecError:
        raise ValueError(
            f"{VARIABLE} is not what this version writes: start it by opensqt liveserver"
        ) from None
