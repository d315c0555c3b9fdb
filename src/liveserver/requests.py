"""What a viewer may say on an `opensqt.v2` socket: `{"type": ..., "data": ...}`, as what it hears."""

import msgspec

from liveserver.topics import Wanted

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


class NotUnderstood(ValueError):
    """The viewer's fault: it is told so."""


_decoder = msgspec.json.Decoder(Subscribe)


def understand(text: bytes) -> Subscribe:
    """Return what a viewer says.

    Raises: NotUnderstood.
    """
    try:
        said = _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotUnderstood(f"not understood: {error}") from error
    if not 1 <= len(said.data.topics) <= TOPICS_LIMIT:
        raise NotUnderstood(f"not understood: 1 to {TOPICS_LIMIT} topics")
    return said
