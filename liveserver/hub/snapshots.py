"""Encoded snapshots, each made once for all viewers and clients that ask for the same.

A snapshot is discarded when a message of its market is published: it holds the state that all messages published so far
lead to. What changes without a message, such as the age of a price, is at most `MAX_AGE_S` old.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from bus.runtime import monotonic_s
from liveserver.protocol.cursors import SnapshotReason
from liveserver.protocol.encoding import Encoding, encode_frame, payload_of
from liveserver.protocol.pseudonyms import PseudonymFunction
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import SnapshotData, SnapshotMarket
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view.projection import Outgoing, Projection

MAX_AGE_S = 1.0
LARGE = frozenset({MessageType.HISTORY, MessageType.TRADE_HISTORY})
"""Messages whose data is the same object while nothing in it changes, so that they are encoded once."""
MAX_BYTES = 64 << 20
"""Of all kept snapshots; with more, all are discarded."""


class Frames(NamedTuple):
    """Encoded messages for one viewer."""

    data: bytes
    types: Counter[MessageType]
    """Number of messages by type."""

    @property
    def message_count(self) -> int:
        return self.types.total()


class _Kept(NamedTuple):
    frames: Frames
    made_s: float


class Snapshots:
    """Makes and keeps snapshots. `clock` is monotonic, in seconds."""

    def __init__(self, pseudonym: PseudonymFunction, clock: Callable[[], float] = monotonic_s) -> None:
        self._pseudonym = pseudonym
        self._clock = clock
        self._kept: dict[Market | None, dict[tuple[Channel | None, Encoding, bool], _Kept]] = {}
        """By market, None for the list of symbols; then by channel, encoding, and whether it is a JSON document."""
        self._parts: dict[tuple[Channel, Encoding, MessageType], tuple[object, bytes]] = {}
        """The newest of the large messages, with the data that it was encoded from."""
        self._size_bytes = 0

    def frames(
        self,
        projection: Projection,
        channels: Sequence[Channel],
        encoding: Encoding,
        reason: SnapshotReason | None,
    ) -> list[Frames]:
        """Return the snapshot of some channels, for a viewer that has none of them yet.

        Without a `reason`, and without channels, only the list of symbols.
        """
        found = [self._market_frames(projection, channel, encoding) for channel in channels]
        symbols = self._get(None, None, encoding, lambda: self._symbols(projection, encoding))
        if encoding.is_v2 and reason is not None:
            found.insert(0, self._encoded([_header(channels, projection, reason)], encoding, None))
        return [*found, symbols]

    def document(self, projection: Projection, channel: Channel, *, is_redacted: bool) -> bytes:
        """Return the JSON of a channel's snapshot: `{"venue", "symbol", "interval", "messages"}`."""
        encoding = Encoding.of(is_v2=False, is_redacted=is_redacted)

        def make() -> Frames:
            messages = [self._json(message, encoding, channel) for message in projection.snapshot(channel)]
            return Frames(_document(channel, messages), Counter())

        return self._get(channel.market, channel, encoding, make, is_document=True).data

    def discard(self, outgoing: Iterable[Outgoing]) -> None:
        """Discard the snapshots that published messages change."""
        if self._kept:
            self._kept.pop(None, None)
            for each in outgoing:
                self._kept.pop(each.channel.market, None)

    def clear(self) -> None:
        """Discard all snapshots."""
        self._kept.clear()
        self._parts.clear()
        self._size_bytes = 0

    def _market_frames(self, projection: Projection, channel: Channel, encoding: Encoding) -> Frames:
        return self._get(
            channel.market,
            channel,
            encoding,
            lambda: self._encoded(projection.market_snapshot(channel), encoding, channel),
        )

    def _symbols(self, projection: Projection, encoding: Encoding) -> Frames:
        return self._encoded([Message(MessageType.SYMBOLS, projection.summary())], encoding, None)

    def _encoded(self, messages: Sequence[Message], encoding: Encoding, channel: Channel | None) -> Frames:
        frames = [self._frame(message, encoding, channel) for message in messages]
        return Frames(b"".join(frames), Counter(message.type for message in messages))

    def _frame(self, message: Message, encoding: Encoding, channel: Channel | None) -> bytes:
        if channel is None or message.type not in LARGE:
            return encode_frame(message, encoding, channel, pseudonym=self._pseudonym)
        # A ticker changes the snapshot, but neither the closed candles nor the trades, which are most of it.
        key = (channel, encoding, message.type)
        data, frame = self._parts.get(key, (None, b""))
        if data is not message.data:
            frame = encode_frame(message, encoding, channel, pseudonym=self._pseudonym)
            self._parts[key] = (message.data, frame)
            self._size_bytes += len(frame)
        return frame

    def _json(self, message: Message, encoding: Encoding, channel: Channel) -> bytes:
        # The JSON is that of the plain protocol, of whose frames it is the payload.
        return payload_of(self._frame(message, encoding, channel))

    def _get(
        self,
        market: Market | None,
        channel: Channel | None,
        encoding: Encoding,
        make: Callable[[], Frames],
        *,
        is_document: bool = False,
    ) -> Frames:
        now_s, key = self._clock(), (channel, encoding, is_document)
        kept = self._kept.get(market, {}).get(key)
        if kept is not None and now_s - kept.made_s < MAX_AGE_S:
            return kept.frames
        frames = make()
        # Discarded snapshots are not subtracted: the sum is an upper bound, which clearing resets.
        self._size_bytes += len(frames.data)
        if self._size_bytes > MAX_BYTES:
            self.clear()
            self._size_bytes = len(frames.data)
        self._kept.setdefault(market, {})[key] = _Kept(frames, now_s)
        return frames


def _document(channel: Channel, messages: Sequence[bytes]) -> bytes:
    head = {"venue": channel.market.venue, "symbol": channel.market.symbol, "interval": channel.interval}
    return b'%s,"messages":[%s]}' % (msgspec.json.encode(head)[:-1], b",".join(messages))


def _header(channels: Sequence[Channel], projection: Projection, reason: SnapshotReason) -> Message:
    markets = tuple(SnapshotMarket(*channel.market, channel.interval) for channel in channels)
    data = SnapshotData(reason=reason, streams=projection.log.cursors, markets=markets)
    return Message(MessageType.SNAPSHOT, data)
