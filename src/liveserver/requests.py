"""What a viewer may say on an `opensqt.v2` socket: `{"type": ..., "data": ...}`, as what it hears."""

from typing import Annotated, Any

import msgspec

from liveserver.topics import Wanted
from schemas.control import CommandName

TOPICS_LIMIT = 64


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One symbol, or `*` for every one (of the venue, if it is named)."""

    symbol: str = ""
    venue: str = ""
    interval: str = ""


class SubscribeData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is to be seen from now on."""

    topics: tuple[Topic, ...]


class Subscribe(msgspec.Struct, frozen=True, tag_field="type", tag="subscribe"):
    """Switch to other topics."""

    data: SubscribeData

    @property
    def wanted(self) -> list[Wanted]:
        return [Wanted(*msgspec.structs.astuple(topic)) for topic in self.data.topics]


class ControlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A command to give."""

    command: CommandName
    symbol: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """As the page writes it, or the ccxt symbol."""
    venue: Annotated[str, msgspec.Meta(max_length=64)] = ""
    reason: Annotated[str, msgspec.Meta(max_length=300)] = ""
    """Kept with the command."""
    key: Annotated[str, msgspec.Meta(max_length=128)] = ""
    """What you call it: sent again within two minutes it is given once, and answered as the first time."""
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=30)] = 5.0
    """How long to wait for the engine's answer."""
    expires_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
    """Not applied when the engine reads it later than that."""
    arguments: dict[str, Any] = {}
    """What the command takes beside: further fields of `schemas.control.Command`."""


class Control(msgspec.Struct, frozen=True, tag_field="type", tag="control"):
    """Give a command."""

    data: ControlRequest


class NotUnderstood(ValueError):
    """The viewer's fault: it is told so."""


_decoder: msgspec.json.Decoder[Subscribe | Control] = msgspec.json.Decoder(Subscribe | Control)


def understand(text: bytes) -> Subscribe | Control:
    """Return what a viewer says.

    Raises: NotUnderstood.
    """
    try:
        said = _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotUnderstood(f"not understood: {error}") from error
    if isinstance(said, Subscribe) and not 1 <= len(said.data.topics) <= TOPICS_LIMIT:
        raise NotUnderstood(f"not understood: 1 to {TOPICS_LIMIT} topics")
    return said
